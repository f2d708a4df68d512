#include "core/savefile/byte_source.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/util/system.h"

namespace ringtap {

FileSource::FileSource(UniqueFd fd) : fd_(std::move(fd)) { adviseSequential(fd_.get()); }

Result<std::size_t> FileSource::read(std::span<std::uint8_t> into) {
  for (;;) {
    if (shut_) return std::size_t{0};
    const ssize_t got = ::read(fd_.get(), into.data(), into.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return Error::fromErrno("read");
  }
}

Result<std::size_t> MemorySource::read(std::span<std::uint8_t> into) {
  const std::size_t length = std::min(into.size(), left_.size());
  if (length > 0) std::memcpy(into.data(), left_.data(), length);
  left_ = left_.subspan(length);
  return length;
}

FeedSource::FeedSource(std::size_t capacity, std::function<void()> onRoom)
    : onRoom_(std::move(onRoom)), buffer_(capacity) {}

std::size_t FeedSource::feed(std::span<const std::uint8_t> bytes) {
  std::lock_guard lock(mutex_);
  if (shut_) return bytes.size();
  const std::size_t taken = std::min(bytes.size(), buffer_.size() - used_);
  const std::size_t at = (start_ + used_) % buffer_.size();
  const std::size_t first = std::min(taken, buffer_.size() - at);
  if (first > 0) std::memcpy(buffer_.data() + at, bytes.data(), first);
  if (taken > first) std::memcpy(buffer_.data(), bytes.data() + first, taken - first);
  used_ += taken;
  refused_ = taken < bytes.size();
  filled_.notify_one();
  return taken;
}

void FeedSource::end() {
  std::lock_guard lock(mutex_);
  ended_ = true;
  filled_.notify_one();
}

Result<std::size_t> FeedSource::read(std::span<std::uint8_t> into) {
  std::unique_lock lock(mutex_);
  filled_.wait(lock, [this] { return used_ > 0 || ended_ || shut_; });
  if (shut_) return std::size_t{0};
  const std::size_t given = std::min({into.size(), used_, buffer_.size() - start_});
  if (given > 0) std::memcpy(into.data(), buffer_.data() + start_, given);
  start_ = (start_ + given) % buffer_.size();
  used_ -= given;
  // Only once half of the buffer is free: each call wakes the feeding thread.
  const bool tell = refused_ && used_ <= buffer_.size() / 2;
  if (tell) refused_ = false;
  lock.unlock();
  if (tell) onRoom_();
  return given;
}

bool FeedSource::ready(int milliseconds) {
  std::unique_lock lock(mutex_);
  return filled_.wait_for(lock, std::chrono::milliseconds(milliseconds),
                          [this] { return used_ > 0 || ended_ || shut_; });
}

void FeedSource::shut() {
  std::lock_guard lock(mutex_);
  shut_ = true;
  filled_.notify_one();
}

Result<std::span<const std::uint8_t>> CountedSource::peek(std::size_t min) {
  while (ahead_.size() < min) {
    const std::size_t before = ahead_.size();
    ahead_.resize(min);
    auto got = inner_.read(std::span(ahead_).subspan(before));
    ahead_.resize(before + (got ? *got : 0));
    if (!got) return got.error();
    if (*got == 0) break;
    count_ += *got;
  }
  return std::span<const std::uint8_t>(ahead_);
}

Result<std::size_t> CountedSource::read(std::span<std::uint8_t> into) {
  if (!ahead_.empty()) {
    const std::size_t given = std::min(into.size(), ahead_.size());
    std::memcpy(into.data(), ahead_.data(), given);
    ahead_.erase(ahead_.begin(), ahead_.begin() + static_cast<std::ptrdiff_t>(given));
    return given;
  }
  auto got = inner_.read(into);
  if (got) count_ += *got;
  return got;
}

}  // namespace ringtap
