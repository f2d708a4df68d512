// Memory that is used again when it has no readers any more.
#include "core/block/deferred_memory.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "support/check.h"

using namespace ringtap;

namespace {

constexpr std::size_t kMiB = 1 << 20;

BlockBytes filled(std::size_t size, std::byte value) {
  BlockBytes bytes = BlockBytes::allocate(size);
  if (bytes) std::fill_n(bytes.data(), size, value);
  return bytes;
}

bool isAll(const std::byte* data, std::size_t size, std::byte value) {
  return std::all_of(data, data + size, [value](std::byte byte) { return byte == value; });
}

}  // namespace

TEST(deferred_memory_stays_as_it_is_until_it_has_no_readers) {
  auto deferred = std::make_shared<DeferredMemory>(4 * kMiB);
  BlockBytes bytes = filled(kMiB, std::byte{7});
  const std::byte* const address = bytes.data();
  std::optional<Remains> remains = deferred->vacate(bytes);
  CHECK(remains->memory != nullptr && remains->bytes == kMiB);
  CHECK(!bytes);  // there is no memory to exchange it for yet
  CHECK(isAll(address, kMiB, std::byte{7}));
  BlockBytes other = deferred->allocate(kMiB);
  CHECK(other && other.data() != address);
  remains.reset();
  CHECK(deferred->allocate(kMiB).data() == address);
}

TEST(what_is_vacated_is_exchanged_for_memory_without_readers) {
  auto deferred = std::make_shared<DeferredMemory>(4 * kMiB);
  BlockBytes first = filled(kMiB, std::byte{1});
  const std::byte* const address = first.data();
  { const Remains ended = deferred->vacate(first); }
  BlockBytes second = filled(kMiB, std::byte{2});
  const Remains remains = deferred->vacate(second);
  CHECK(second.data() == address && second.size() == kMiB);
  // Nothing of that size: none of another.
  BlockBytes third = filled(2 * kMiB, std::byte{3});
  const Remains large = deferred->vacate(third);
  CHECK(!third);
}

TEST(beyond_the_limit_the_pages_are_moved) {
  auto deferred = std::make_shared<DeferredMemory>(2 * kMiB);
  std::vector<Remains> kept;
  for (int i = 0; i < 2; ++i) {
    CHECK(deferred->hasRoom(kMiB));
    BlockBytes bytes = filled(kMiB, std::byte{7});
    kept.push_back(deferred->vacate(bytes));
  }
  CHECK(!deferred->hasRoom(1));
  BlockBytes bytes = filled(kMiB, std::byte{7});
  const std::byte* const address = bytes.data();
  {
    const Remains remains = deferred->vacate(bytes);
    CHECK(isAll(address, kMiB, std::byte{0}));
    if (bytes) {  // the pages could be moved: Linux from 5.7
      CHECK(remains.bytes == 0);
      CHECK(bytes.data() != address);
    }
  }
  kept.pop_back();
  CHECK(deferred->hasRoom(kMiB) && !deferred->hasRoom(kMiB + 1));
}

TEST(memory_without_readers_is_kept_within_the_limit) {
  auto deferred = std::make_shared<DeferredMemory>(3 * kMiB);
  std::vector<const std::byte*> addresses;
  std::vector<BlockBytes> pieces;
  for (int i = 0; i < 5; ++i) {
    pieces.push_back(filled(kMiB, std::byte{0}));
    addresses.push_back(pieces.back().data());
  }
  for (BlockBytes& piece : pieces) deferred->release(std::move(piece));
  for (int i = 4; i >= 2; --i) CHECK(deferred->allocate(kMiB).data() == addresses[i]);
}

TEST(an_allocation_takes_the_smallest_piece_that_is_not_much_too_large) {
  auto deferred = std::make_shared<DeferredMemory>(16 * kMiB);
  for (const std::size_t size : {4 * kMiB, kMiB, 2 * kMiB}) deferred->release(filled(size, std::byte{0}));
  CHECK(deferred->allocate(kMiB - 1).size() == kMiB);
  CHECK(deferred->allocate(kMiB).size() == 2 * kMiB);
  CHECK(deferred->allocate(kMiB).size() == kMiB);  // new: 4 MiB are too many
  CHECK(deferred->allocate(1).size() == BlockBytes::kLarge);
}

TEST(after_closing_nothing_is_kept_for_later) {
  auto deferred = std::make_shared<DeferredMemory>(4 * kMiB);
  BlockBytes bytes = filled(kMiB, std::byte{7});
  const std::byte* const address = bytes.data();
  Remains remains = deferred->vacate(bytes);
  deferred->release(filled(kMiB, std::byte{0}));
  deferred->close();
  CHECK(isAll(address, kMiB, std::byte{7}));  // until its readers are gone
  bytes = filled(kMiB, std::byte{7});
  const std::byte* const moved = bytes.data();
  const Remains late = deferred->vacate(bytes);
  CHECK(isAll(moved, kMiB, std::byte{0}));
  deferred.reset();
  CHECK(isAll(address, kMiB, std::byte{7}));
  remains = {};
}

TEST(small_memory_is_kept_without_the_limit) {
  auto deferred = std::make_shared<DeferredMemory>(0);
  BlockBytes bytes = filled(1000, std::byte{7});
  const std::byte* const address = bytes.data();
  const Remains remains = deferred->vacate(bytes);
  CHECK(!bytes && remains.bytes == 1000);
  CHECK(isAll(address, 1000, std::byte{7}));
}

TEST(lent_copies_count_towards_the_limit) {
  auto deferred = std::make_shared<DeferredMemory>(2 * kMiB);
  for (int i = 0; i < 2; ++i) deferred->release(filled(kMiB, std::byte{0}));
  BlockBytes copy = deferred->allocate(kMiB);
  const std::byte* const spare = deferred->allocate(kMiB).data();  // freed here
  CHECK(spare != nullptr && copy);
  deferred->beginLease(2 * kMiB);
  CHECK(!deferred->hasRoom(1) && deferred->lent() == 2 * kMiB);
  BlockBytes other = filled(kMiB, std::byte{7});
  const std::byte* const address = other.data();
  const Remains remains = deferred->vacate(other);
  CHECK(isAll(address, kMiB, std::byte{0}));
  deferred->endLease(2 * kMiB);
  CHECK(deferred->hasRoom(2 * kMiB) && !deferred->hasRoom(2 * kMiB + 1));
}

TEST(spares_are_dropped_but_for_one) {
  auto deferred = std::make_shared<DeferredMemory>(16 * kMiB);
  for (const std::size_t size : {4 * kMiB, kMiB, 2 * kMiB}) deferred->release(filled(size, std::byte{7}));
  deferred->dropSpares();
  CHECK(isAll(deferred->allocate(2 * kMiB).data(), 2 * kMiB, std::byte{7}));  // the last one
  CHECK(isAll(deferred->allocate(2 * kMiB).data(), 2 * kMiB, std::byte{0}));  // a new one
}
