// Where a capture's blocks go: to JavaScript, to a recorder, or to both.
//
// Thread-safe: the loops push, JavaScript's thread attaches and detaches readers. Locks are taken in this order: the
// outlet's, then the recorder's or the queue's, then a block's. What the queue calls to wake JavaScript is called under
// the outlet's.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "core/capture/intake/chunk_queue.h"
#include "core/ledger/lease.h"

namespace ringtap {

class Recorder;

class BlockOutlet {
 public:
  explicit BlockOutlet(ChunkQueue& queue) : queue_(queue) {}

  void push(std::shared_ptr<HeldBlock> block);
  // A loop needs overflow memory, or the place of this block in its ring: a recorder that is behind drops a block, so
  // that a slow disk holds up nobody else. True where that has changed anything: the place is free, or there is memory.
  bool dropWaiting(const HeldBlock* block = nullptr);

  // The recorder is given blocks from the next one on. Meanwhile JavaScript is only given blocks while it listens.
  void attach(std::shared_ptr<Recorder> recorder);
  // No further block for this one. What waits in it still gets its verdicts, and may still be dropped.
  void detach(const Recorder& recorder);
  // The latest.
  [[nodiscard]] std::shared_ptr<Recorder> recorder() const;
  void listen(bool listening);
  // Every event up to the one of this epoch has its verdict. True where a recorder may drop more blocks for that.
  bool decided(std::uint64_t epoch);

 private:
  ChunkQueue& queue_;
  mutable std::mutex mutex_;
  std::shared_ptr<Recorder> recorder_;
  bool recording_ = false;  // it is given blocks
  bool listening_ = false;
  std::uint64_t decided_ = 0;
};

}  // namespace ringtap
