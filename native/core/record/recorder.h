// Writes a capture's packets to files, or into batches in memory, in native code on a thread of its own.
//
// A recorder receives the capture's blocks in parallel with JavaScript. It copies packets out of a block and releases
// the block before it waits for its target; with `owners` it may hold the block for a moment until the sockets of its
// packets have been read. Blocks are written in order, each as soon as JavaScript has answered the events before it, so
// the files contain exactly the selected packets.
//
// Life: make() → prepare() → start() → stop(), finish() or abandon() → join(). Owner: the Capture, which outlives the
// thread, and the binding's object for it. join() may block for the disk, though not after abandon(); all other calls
// are quick and thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/ledger/lease.h"
#include "core/ledger/selection_table.h"
#include "core/record/owner_notes.h"
#include "core/record/recorder_marks.h"
#include "core/record/recording_stream.h"
#include "core/record/recording_target.h"
#include "core/record/stream_output.h"
#include "core/util/result.h"
#include "core/util/thread.h"

namespace ringtap {

struct RecorderOptions {
  RecordingForm form;
  std::string filter;                     // the expression, as stored in interface descriptions
  const char* thread = "ringtap record";  // its name
  // Where a recorder that is not secondary gets a block too, that one enters its packets in the ledger; of several
  // secondary ones, the first that has done with the block. They give up their blocks first if memory is short.
  bool secondary = false;
  // Written with the packets, in pcapng; null: they are not.
  std::shared_ptr<OwnerSource> owners{};
};

struct RecorderStats : TargetCounts {
  std::uint64_t dropped = 0;        // not written: the target was too slow, or writing failed
  std::uint64_t otherLinkType = 0;  // pcap: not written, because the file has another link type
};

class Recorder {
 public:
  struct Context {
    SelectionTable& table;
    const InterfaceBook& book;
    std::function<Losses()> inRing;
    std::function<std::uint64_t(const std::string& name)> speed;  // as in RecordingStream::Sources
    std::function<void(const Recorder&)> detach;                  // stops pushing blocks to this recorder
    std::function<void()> wake;                                   // after a change; called without a lock
    // Whether the statistics of the first file contain the losses since the capture was opened, instead of those since
    // the recording began.
    bool sinceOpening = false;
    const ReductionLog* reductions = nullptr;  // as in RecordingStream::Sources
  };

  // `target`: its first file has begun.
  Recorder(RecorderOptions options, std::shared_ptr<RecordingTarget> target);
  ~Recorder();
  // Creates the thread, which waits for start(). From here on blocks may be pushed, and losses are counted. System: the
  // thread cannot be created, and only discard() may be called.
  Result<> prepare(Context context);
  // Starts writing; the thread may call detach() immediately. Call once, after the recorder was attached.
  void start();
  // Removes the first file. Only if prepare() has not succeeded.
  void discard() { target_->discard(); }
  // See RecordingTarget.
  [[nodiscard]] bool lasting() const { return target_->lasting(); }

  // The recording ends once caughtUp() returns true: when every packet received before the stop has been pushed. The
  // recorder's thread calls the same function object repeatedly. Only the first stop() has an effect.
  void stop(std::function<bool()> caughtUp);
  // Ends the file in progress, unless it has no packets, once every packet received before a moment is written; then
  // calls `reached` on the recorder's thread. `caughtUp` is as for stop(), and is called from `from` on. If the
  // recorder ends before, `reached` is called then; if it has ended, at once on the calling thread.
  void mark(std::chrono::steady_clock::time_point from, std::function<bool()> caughtUp, std::function<void()> reached);
  // No further blocks will be pushed. `undecided`: JavaScript answers no further events either; blocks that wait for an
  // answer are dropped. A target that is not lasting is abandoned then.
  void finish(bool undecided);
  // For a target that is not lasting: ends the recording as soon as possible. No further blocks will be pushed. What
  // the target still has is given up, and its packets count as dropped by overflow, once join() has returned, also if
  // the recording had ended before; the blocks that wait stay.
  void abandon();
  // After abandon() and join(): the blocks that waited, oldest first.
  [[nodiscard]] std::deque<Lease> takeWaiting();
  // The target has room again.
  void resume();
  void join();
  [[nodiscard]] bool ended() const { return ended_; }
  // How many marks were passed so far.
  [[nodiscard]] std::uint64_t marksPassed() const { return marksPassed_; }

  // Sets the capture's filter expression, for interface descriptions written from here on.
  void setFilter(std::string expression);

  // See RecordingStream. The lines are ahead of every packet that is not yet written, also of those in blocks that
  // wait. Without effect at the end.
  void addSecrets(std::span<const std::uint8_t> lines);

  // Called by the BlockOutlet.
  void push(Lease lease);
  void decided(std::uint64_t epoch);
  // `readers`: number of leases up to which a block may be dropped; those of other recorders that drop it next.
  bool dropWaiting(const HeldBlock* block, std::uint32_t readers);

  // Takes the next error, in order of occurrence.
  [[nodiscard]] std::optional<Error> nextFault();
  [[nodiscard]] RecorderStats stats() const;
  // The number of queued blocks.
  [[nodiscard]] std::size_t waiting() const;
  // The numbers of blocks pushed so far, without those taken back, and of blocks written or dropped so far.
  [[nodiscard]] std::uint64_t pushed() const;
  [[nodiscard]] std::uint64_t done() const { return done_; }

 private:
  using Clock = RecorderMarks::Clock;

  void run();
  [[nodiscard]] bool ready() const;  // with the mutex held
  Lease leave(std::size_t at);       // with the mutex held
  void passMarks();
  void passAllMarks();
  [[nodiscard]] bool responsible(const TakenBlock& taken) const { return !secondary_ || !taken.recorded; }
  [[nodiscard]] Clock::time_point deadline(bool stopping) const;  // with the mutex held
  void takeSecrets();
  void awaitOwners(Lease& lease);
  void write(Lease& lease);
  void flush();
  void fail(Error error);
  void drop(Lease lease);
  void dropAll();
  void endFile();
  void giveUp();
  void retract(const std::vector<DeviceTally>& devices);
  [[nodiscard]] std::map<InterfaceId, std::uint64_t> lost() const;

  std::optional<Context> context_;
  Thread thread_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Lease> queue_;
  RecorderMarks marks_;
  std::uint64_t pushed_ = 0;
  std::uint64_t decided_ = 0;
  std::function<bool()> caughtUp_;
  bool started_ = false;    // start() was called
  bool finished_ = false;   // no further blocks are pushed
  bool undecided_ = false;  // and events are not answered
  bool abandoned_ = false;
  std::deque<Error> faults_;
  std::uint64_t dropped_ = 0;
  std::uint64_t otherLinkType_ = 0;
  std::map<InterfaceId, std::uint64_t> droppedOf_;  // packets dropped so far
  std::string filter_;
  std::vector<std::uint8_t> secrets_;  // not yet in the stream
  std::atomic<std::uint64_t> done_{0};
  std::atomic<bool> ended_{false};
  std::atomic<std::uint64_t> marksPassed_{0};

  const std::shared_ptr<RecordingTarget> target_;
  const char* const threadName_;
  const bool secondary_;

  // Used by the thread only.
  std::optional<OwnerNotes> owners_;
  RecordingStream stream_;
  StreamOutput output_;
  bool failed_ = false;
};

}  // namespace ringtap
