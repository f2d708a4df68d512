// The sources of a savefile's bytes, which the reader's thread reads in sequence.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Reads at least one byte, and as many as are available, into the start of `into`; returns 0 at the end. May block.
  virtual Result<std::size_t> read(std::span<std::uint8_t> into) = 0;
  // Whether read() can return without blocking, now or within `milliseconds`. Also true at the end.
  virtual bool ready(int /*milliseconds*/) { return true; }
  // Thread-safe. Ends a blocked read(): that call and all later ones return 0, as at the end.
  virtual void shut() {}
};

// A regular file, read from the descriptor's current offset.
class FileSource final : public ByteSource {
 public:
  explicit FileSource(UniqueFd fd);
  Result<std::size_t> read(std::span<std::uint8_t> into) override;
  void shut() override { shut_ = true; }

 private:
  UniqueFd fd_;
  std::atomic<bool> shut_{false};
};

// Bytes in memory, which must stay there.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::span<const std::byte> bytes) : left_(bytes) {}
  Result<std::size_t> read(std::span<std::uint8_t> into) override;

 private:
  std::span<const std::byte> left_;
};

// Bytes that another thread supplies through a bounded buffer.
class FeedSource final : public ByteSource {
 public:
  // `capacity`: of the buffer, in bytes. `onRoom` is called on the reading thread, without a lock held, when feed() can
  // continue after it accepted only part of its bytes.
  FeedSource(std::size_t capacity, std::function<void()> onRoom);

  // Returns how many bytes were accepted, from the start. The caller feeds the rest again after onRoom. After shut()
  // all bytes are accepted and discarded.
  [[nodiscard]] std::size_t feed(std::span<const std::uint8_t> bytes);
  void end();

  Result<std::size_t> read(std::span<std::uint8_t> into) override;
  bool ready(int milliseconds) override;
  void shut() override;

 private:
  std::function<void()> onRoom_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::vector<std::uint8_t> buffer_;
  std::size_t start_ = 0;  // offset of the first buffered byte; the contents wrap around
  std::size_t used_ = 0;
  bool ended_ = false;
  bool shut_ = false;
  bool refused_ = false;
};

// Counts the bytes read from another source, and can look ahead.
class CountedSource final : public ByteSource {
 public:
  explicit CountedSource(ByteSource& inner) : inner_(inner) {}
  // The next bytes, which are not consumed: at least `min` of them, unless the source ends first.
  Result<std::span<const std::uint8_t>> peek(std::size_t min);
  Result<std::size_t> read(std::span<std::uint8_t> into) override;
  bool ready(int milliseconds) override { return !ahead_.empty() || inner_.ready(milliseconds); }
  // Bytes read from the other source, including those only peeked at.
  [[nodiscard]] std::uint64_t count() const { return count_; }
  // Of these, bytes peeked at and not yet read.
  [[nodiscard]] std::size_t ahead() const { return ahead_.size(); }

 private:
  ByteSource& inner_;
  std::vector<std::uint8_t> ahead_;
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace ringtap
