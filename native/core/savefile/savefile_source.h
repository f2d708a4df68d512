// The packets of a savefile, chunk after chunk, for a thread of the core's that waits for them.
//
// next() belongs to one thread; shut() may be called from any. The destructor waits for the reader's thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/savefile/savefile_reader.h"
#include "core/util/result.h"

namespace ringtap {

// A block of packets (block.h).
struct SourceBlock {
  std::byte* memory = nullptr;  // null: there are no more
  std::uint32_t packets = 0;    // in its index
  std::size_t length = 0;       // bytes, to the end of the last packet and its comments
};

class SavefileSource {
 public:
  // The reader's events, in the file's order: each ahead of the packets that it belongs to, and behind those of the
  // chunk before. Called within next().
  using OnEvent = std::function<void(SavefileEvent&)>;

  // Option: no regular file, which could not be read from the start again.
  [[nodiscard]] static Result<std::unique_ptr<SavefileSource>> open(const std::string& path, SavefileConfig config,
                                                                    OnEvent onEvent);

  // The next block, which stays until the next call. May wait. An error of the file comes after all packets before it.
  [[nodiscard]] Result<SourceBlock> next();
  // Ends a next() that waits, and all later ones.
  void shut();
  // The answer to a FileInterface, where the config says `selecting`: within OnEvent, or later.
  void decide(std::uint32_t index, bool selected) { reader_.decide(index, selected); }

  [[nodiscard]] std::uint64_t bytesRead() const { return reader_.stats().bytesRead; }
  // Packets whose time was replaced by the nearest that a timestamp can hold.
  [[nodiscard]] std::uint64_t clampedTimes() const { return reader_.stats().parser.clampedTimes; }
  // Of the file, when it was opened.
  [[nodiscard]] std::uint64_t fileSize() const { return fileSize_; }

 private:
  SavefileSource(UniqueFd file, SavefileConfig config, OnEvent onEvent);

  // False: shut.
  bool wait();

  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;  // under the mutex, like the next one
  bool shut_ = false;
  OnEvent onEvent_;
  std::uint64_t fileSize_ = 0;
  SavefileReader reader_;  // goes first: its thread calls into this
  std::optional<SavefileChunk> chunk_;
};

}  // namespace ringtap
