// Where a savefile's bytes come from, read one after another by the reader's thread.
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

  // Fills from the start of `into`, as much as is there, at least a byte; 0 at the end. May wait.
  virtual Result<std::size_t> read(std::span<std::uint8_t> into) = 0;
  // Whether read() has something at once, or will have within `milliseconds`; true at the end, too.
  virtual bool ready(int /*milliseconds*/) { return true; }
  // From any thread: ends a read() that waits, and all later ones, as if the bytes ended.
  virtual void shut() {}
};

// A regular file, from where the descriptor stands.
class FileSource final : public ByteSource {
 public:
  explicit FileSource(UniqueFd fd);
  Result<std::size_t> read(std::span<std::uint8_t> into) override;
  void shut() override { shut_ = true; }

 private:
  UniqueFd fd_;
  std::atomic<bool> shut_{false};
};

// Bytes that another thread brings, held in a bounded buffer.
class FeedSource final : public ByteSource {
 public:
  // `onRoom` is called, without a lock held, when feed() can go on after it did not take all.
  FeedSource(std::size_t capacity, std::function<void()> onRoom);

  // How many bytes it took, from the start; the rest is to be brought again after onRoom.
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
  std::size_t start_ = 0;  // of what is in it; it wraps around
  std::size_t used_ = 0;
  bool ended_ = false;
  bool shut_ = false;
  bool refused_ = false;
};

// Counts what is read from another source, and can show what comes next.
class CountedSource final : public ByteSource {
 public:
  explicit CountedSource(ByteSource& inner) : inner_(inner) {}
  // Up to `most` bytes, fewer at the end. They stay to be read.
  Result<std::span<const std::uint8_t>> peek(std::size_t most);
  Result<std::size_t> read(std::span<std::uint8_t> into) override;
  bool ready(int milliseconds) override { return !ahead_.empty() || inner_.ready(milliseconds); }
  // Read from the other source.
  [[nodiscard]] std::uint64_t count() const { return count_; }
  // Of these, shown by peek() and not read yet.
  [[nodiscard]] std::size_t ahead() const { return ahead_.size(); }

 private:
  ByteSource& inner_;
  std::vector<std::uint8_t> ahead_;
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace ringtap
