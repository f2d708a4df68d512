// Writes a capture's packets to files, in native code on a thread of its own.
//
// A recorder receives the capture's blocks in parallel with JavaScript. It copies packets out of a block and releases
// the block before it waits for the disk. Blocks are written in order, each as soon as JavaScript has answered the
// events before it, so the files contain exactly the selected packets.
//
// Life: open() → prepare() → start() → stop() or finish() → join(). Owner: the Capture, which outlives the thread, and
// the binding's object for it. open() and join() may block for the disk; all other calls are quick and thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/ledger/lease.h"
#include "core/ledger/selection_table.h"
#include "core/record/recording_stream.h"
#include "core/savefile/file_set.h"
#include "core/util/result.h"
#include "core/util/thread.h"

namespace ringtap {

struct RecorderOptions {
  RecordingForm form;
  FileSetOptions files;
  std::string filter;  // the expression, as stored in interface descriptions
};

struct RecorderStats {
  std::uint64_t packets = 0;        // written
  std::uint64_t packetBytes = 0;    // captured bytes of these packets
  std::uint64_t bytes = 0;          // written to files
  std::uint64_t files = 0;          // completed
  std::uint64_t dropped = 0;        // not written: the disk was too slow, or writing failed
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
  };

  // Begins the first file.
  [[nodiscard]] static Result<std::shared_ptr<Recorder>> open(RecorderOptions options);
  ~Recorder();
  // Creates the thread, which waits for start(). From here on blocks may be pushed, and losses are counted. System: the
  // thread cannot be created, and only discard() may be called.
  Result<> prepare(Context context);
  // Starts writing; the thread may call detach() immediately. Call once, after the recorder was attached.
  void start();
  // Removes the first file. Only if prepare() has not succeeded.
  void discard() { files_.discard(); }

  // The recording ends once caughtUp() returns true: when every packet received before the stop has been pushed. The
  // recorder's thread calls the same function object repeatedly. Only the first stop() has an effect.
  void stop(std::function<bool()> caughtUp);
  // No further blocks will be pushed. `undecided`: JavaScript answers no further events either; blocks that wait for an
  // answer are dropped.
  void finish(bool undecided);
  void join();
  [[nodiscard]] bool ended() const { return ended_; }

  // Sets the capture's filter expression, for interface descriptions written from here on.
  void setFilter(std::string expression);

  // Called by the BlockOutlet.
  void push(Lease lease);
  void decided(std::uint64_t epoch);
  bool dropWaiting(const HeldBlock* block);

  // Take the next completed file, and the next error, in order of occurrence.
  [[nodiscard]] std::optional<CompleteFile> nextFile();
  [[nodiscard]] std::optional<Error> nextFault();
  [[nodiscard]] RecorderStats stats() const;
  // The number of queued blocks.
  [[nodiscard]] std::size_t waiting() const;
  // The numbers of blocks pushed so far, and of blocks written or dropped so far.
  [[nodiscard]] std::uint64_t pushed() const;
  [[nodiscard]] std::uint64_t done() const { return done_; }

 private:
  using Clock = std::chrono::steady_clock;
  explicit Recorder(RecorderOptions options);
  void run();
  [[nodiscard]] bool ready() const;  // with the mutex held
  [[nodiscard]] Clock::time_point deadline(bool stopping) const;
  void write(Lease& lease);
  bool flush();
  bool bring(std::size_t from, std::size_t to, const SavefileCounts& counts);
  bool complete(const SavefileCounts& counts);
  void fail(Error error);
  void drop(Lease lease);
  void dropAll();
  void endFile();
  void tell(CompleteFile file);
  void tell(Error error);

  std::optional<Context> context_;
  Thread thread_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Lease> queue_;
  std::uint64_t pushed_ = 0;
  std::uint64_t decided_ = 0;
  std::function<bool()> caughtUp_;
  bool started_ = false;    // start() was called
  bool finished_ = false;   // no further blocks are pushed
  bool undecided_ = false;  // and events are not answered
  std::deque<CompleteFile> completeFiles_;
  std::deque<Error> faults_;
  RecorderStats stats_;
  std::map<InterfaceId, std::uint64_t> droppedOf_;  // packets dropped so far
  std::string filter_;
  std::atomic<std::uint64_t> done_{0};
  std::atomic<bool> ended_{false};

  // Used by the thread only.
  FileSet files_;
  RecordingStream stream_;
  SavefileCounts flushed_;  // of the current file, up to what was written to it
  bool failed_ = false;
};

}  // namespace ringtap
