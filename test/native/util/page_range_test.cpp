// Memory whose addresses are withdrawn from readers.
#include "core/util/page_range.h"

#include <algorithm>
#include <cstddef>

#include "support/check.h"

using namespace ringtap;

namespace {

constexpr std::size_t kSize = 1 << 20;

bool isAll(const PageRange& range, std::byte value) {
  return std::all_of(range.data(), range.data() + range.size(), [value](std::byte byte) { return byte == value; });
}

}  // namespace

// That the pages are moved, and not replaced by new ones, is what makes it cheap: each new page is a fault and a
// page of zeros.
TEST(relocating_moves_the_pages_and_leaves_zeros_at_the_old_addresses) {
  auto range = PageRange::allocate(kSize);
  CHECK(range);
  if (!range) return;
  std::fill_n(range->data(), kSize, std::byte{7});
  std::byte* const before = range->data();
  auto old = range->relocate();
  CHECK(old);
  if (!old) return;
  CHECK(old->data() == before && old->size() == kSize);
  CHECK(range->data() != before && range->size() == kSize);
  CHECK(isAll(*old, std::byte{0}));
  CHECK(isAll(*range, std::byte{7}));
}

TEST(relocating_again_and_again_moves_the_same_pages) {
  auto range = PageRange::allocate(kSize);
  CHECK(range);
  if (!range) return;
  std::fill_n(range->data(), kSize, std::byte{7});
  for (int i = 0; i < 100; ++i) CHECK(range->relocate());
  CHECK(isAll(*range, std::byte{7}));
}

TEST(clearing_keeps_the_addresses) {
  auto range = PageRange::allocate(kSize);
  CHECK(range);
  if (!range) return;
  std::fill_n(range->data(), kSize, std::byte{7});
  std::byte* const before = range->data();
  CHECK(range->clear());
  CHECK(range->data() == before);
  CHECK(isAll(*range, std::byte{0}));
}
