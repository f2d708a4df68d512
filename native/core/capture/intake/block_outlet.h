// Passes a capture's blocks to JavaScript, to a recorder, and to secondary recorders, which keep the newest packets.
//
// Thread-safe: the loops push, JavaScript's thread attaches and detaches readers. Lock order: the outlet's, then the
// recorder's or the queue's, then a block's. The queue's wake callback runs under the outlet's lock.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/capture/intake/chunk_queue.h"
#include "core/ledger/lease.h"
#include "core/ledger/selection_table.h"

namespace ringtap {

class Recorder;

class BlockOutlet {
 public:
  // `table`: for the ledger.
  BlockOutlet(ChunkQueue& queue, SelectionTable& table) : queue_(queue), table_(table) {}

  void push(std::shared_ptr<HeldBlock> block);
  // Called if a loop needs overflow memory (null), or the place of this block in its ring. During a recording that
  // JavaScript does not listen to, the oldest block that waits for JavaScript is dropped: from before the recording, or
  // from before JavaScript stopped listening. Otherwise a recorder that lags behind drops a block, so that a slow disk
  // does not delay JavaScript. False if nothing can be dropped; true if it is worth trying again.
  bool dropWaiting(const HeldBlock* block = nullptr);

  // The recorder receives blocks from the next one on. Until detach(), JavaScript receives blocks only if it listens.
  // `queued`: also those that wait for JavaScript, which does not get them then.
  void attach(std::shared_ptr<Recorder> recorder, bool queued = false);
  // The same for a secondary recorder; there may be several.
  void attachSecondary(std::shared_ptr<Recorder> secondary);
  // This recorder receives no further blocks. Blocks waiting in it still get their verdicts, and may still be dropped.
  void detach(const Recorder& recorder);
  // Puts the blocks that wait in an abandoned recorder, which has ended, back in the queue for JavaScript.
  void restore(Recorder& recorder);
  // The most recent recorder.
  [[nodiscard]] std::shared_ptr<Recorder> recorder() const;
  // Secondary recorders that have not ended.
  [[nodiscard]] std::vector<std::shared_ptr<Recorder>> secondaries() const;
  void listen(bool listening);
  // Reports that every event up to this epoch has its verdict. True if a recorder may now drop more blocks.
  bool decided(std::uint64_t epoch);

 private:
  // A secondary recorder. It stays until it has ended, for the verdicts of the blocks that wait in it.
  struct Secondary {
    std::shared_ptr<Recorder> recorder;
    bool receives = true;
  };

  bool dropUnread();
  [[nodiscard]] bool read() const;  // by a recorder; with the mutex held

  ChunkQueue& queue_;
  SelectionTable& table_;
  mutable std::mutex mutex_;
  std::shared_ptr<Recorder> recorder_;
  bool recording_ = false;  // recorder_ receives blocks
  std::vector<Secondary> secondaries_;
  bool listening_ = false;
  std::uint64_t decided_ = 0;
};

}  // namespace ringtap
