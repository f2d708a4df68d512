// Reads a savefile's packets one chunk at a time, for a native thread that may block.
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
  std::byte* memory = nullptr;  // null: end of the file
  std::uint32_t packets = 0;    // number of packets in its index
  std::size_t length = 0;       // bytes up to the end of the last packet and its options
};

class SavefileSource {
 public:
  // Called within next() with the reader's events, in file order: each before the packets it applies to, and after
  // those of the previous chunk.
  using OnEvent = std::function<void(SavefileEvent&)>;

  // Option: not a regular file, which could not be read again from the start.
  [[nodiscard]] static Result<std::unique_ptr<SavefileSource>> open(const std::string& path, SavefileConfig config,
                                                                    OnEvent onEvent);

  // Returns the next block, valid until the next call. May block. An error in the file is returned after all packets
  // before it.
  [[nodiscard]] Result<SourceBlock> next();
  // Ends a blocked next(), and all later ones.
  void shut();
  // Answers a FileInterface event, if the config has `selecting` set: within OnEvent, or later.
  void decide(std::uint32_t index, bool selected) { reader_.decide(index, selected); }

  [[nodiscard]] std::uint64_t bytesRead() const { return reader_.stats().bytesRead; }
  // Packets whose time was replaced by the nearest that a timestamp can hold.
  [[nodiscard]] std::uint64_t clampedTimes() const { return reader_.stats().parser.clampedTimes; }
  // In bytes, when the file was opened.
  [[nodiscard]] std::uint64_t fileSize() const { return fileSize_; }

 private:
  SavefileSource(UniqueFd file, SavefileConfig config, OnEvent onEvent);

  // Returns false after shut().
  bool wait();

  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;  // under the mutex, like the next one
  bool shut_ = false;
  OnEvent onEvent_;
  std::uint64_t fileSize_ = 0;
  SavefileReader reader_;  // destroyed before the members above, which its thread uses
  std::optional<SavefileChunk> chunk_;
};

}  // namespace ringtap
