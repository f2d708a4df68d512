#include "core/util/page_range.h"

#include <sys/mman.h>
#include <unistd.h>

#if defined(__linux__) && !defined(MREMAP_DONTUNMAP)
#define MREMAP_DONTUNMAP 4  // linux/mman.h
#endif

namespace ringtap {

PageRange::~PageRange() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

std::size_t PageRange::wholePages(std::size_t size) {
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (size + page - 1) / page * page;
}

// Without MAP_NORESERVE a range that is only kept for its addresses could be refused for lack of memory.
Result<PageRange> PageRange::allocate(std::size_t size) {
  const std::size_t whole = wholePages(size);
  void* memory = ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return Error::fromErrno("mmap", "no memory for packets");
  return PageRange(static_cast<std::byte*>(memory), whole);
}

Result<> PageRange::clear() {
#ifdef __linux__
  // mremap(2) replaces what is mapped at the new address. mmap(2) with MAP_FIXED does so too, but may unmap the old
  // memory and then fail (mmap_region(), mm/mmap.c).
  auto zeros = allocate(size_);
  if (!zeros) return std::move(zeros.error());
  if (::mremap(zeros->data_, size_, size_, MREMAP_MAYMOVE | MREMAP_FIXED, data_) == MAP_FAILED) {
    return Error::fromErrno("mremap", "memory that may still be read could not be replaced");
  }
  zeros->forget();
#else
  constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  if (::mmap(data_, size_, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) {
    return Error::fromErrno("mmap", "memory that may still be read could not be replaced");
  }
#endif
  return {};
}

// The address is a hint, but glibc and the kernel read it with MREMAP_DONTUNMAP also without MREMAP_FIXED, and the
// kernel refuses one that is not the start of a page (check_mremap_params(), mm/mremap.c).
Result<PageRange> PageRange::relocate() {
#ifdef __linux__
  void* const anywhere = nullptr;
  void* moved = ::mremap(data_, size_, size_, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, anywhere);
  if (moved != MAP_FAILED) return PageRange(std::exchange(data_, static_cast<std::byte*>(moved)), size_);
#endif
  // Linux before 5.7, and other systems.
  auto fresh = allocate(size_);
  if (!fresh) return std::move(fresh.error());
  if (auto cleared = clear(); !cleared) return std::move(cleared.error());
  std::swap(data_, fresh->data_);
  return std::move(*fresh);
}

void PageRange::discardAfter(std::size_t size) const {
  const std::size_t kept = wholePages(size);
  if (kept < size_) ::madvise(data_ + kept, size_ - kept, MADV_DONTNEED);
}

}  // namespace ringtap
