// Writes a capture's packets to files, in native code and in a thread of its own.
//
// A recorder is a reader of the capture's blocks beside JavaScript. It waits for the disk only with what it has copied
// out of a block, never with the block in its hands. What it is given it writes in order, as soon as JavaScript has
// answered the events of before it: what is in the files is what is selected.
//
// Life: open() → prepare() → start() → stop() or finish() → join(). Owner: the Capture, which outlives the thread, and
// the binding's object for it. open() and join() may take as long as the disk does; the rest is quick and thread-safe.
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
  std::string filter;  // as the files' interfaces tell it
};

struct RecorderStats {
  std::uint64_t packets = 0;        // written
  std::uint64_t packetBytes = 0;    // of these, as captured
  std::uint64_t bytes = 0;          // written to files
  std::uint64_t files = 0;          // complete
  std::uint64_t dropped = 0;        // not written: the disk was too slow, or writing failed
  std::uint64_t otherLinkType = 0;  // pcap: not written, for the file is of another link type
};

class Recorder {
 public:
  struct Context {
    SelectionTable& table;
    const InterfaceBook& book;
    std::function<Losses()> inRing;
    std::function<std::uint64_t(const std::string& name)> speed;  // as RecordingStream's
    std::function<void(const Recorder&)> detach;                  // no further block for this one
    std::function<void()> wake;                                   // something has changed; called without a lock
  };

  // Begins the first file.
  [[nodiscard]] static Result<std::shared_ptr<Recorder>> open(RecorderOptions options);
  ~Recorder();
  // Makes the thread, which waits for start(). From here on blocks may be pushed, and losses count. System where no
  // thread can be made: then only discard() is left.
  Result<> prepare(Context context);
  // Begins to write; the thread may detach() at once. Once, after it was attached.
  void start();
  // Takes the first file back; only where prepare() has not succeeded.
  void discard() { files_.discard(); }

  // The recording ends once caughtUp() returns true: when every packet received before the stop has been pushed. The
  // recorder's thread calls it repeatedly, always the same object. Only the first call has an effect.
  void stop(std::function<bool()> caughtUp);
  // Nothing is pushed any more. `undecided`: JavaScript answers no events any more either; what waits for that is
  // dropped.
  void finish(bool undecided);
  void join();
  [[nodiscard]] bool ended() const { return ended_; }

  // The capture's filter, as interfaces described from here on tell it.
  void setFilter(std::string expression);

  // The outlet's side.
  void push(Lease lease);
  void decided(std::uint64_t epoch);
  bool dropWaiting(const HeldBlock* block);

  // What has happened, in order.
  [[nodiscard]] std::optional<CompleteFile> nextFile();
  [[nodiscard]] std::optional<Error> nextFault();
  [[nodiscard]] RecorderStats stats() const;
  // Blocks that wait.
  [[nodiscard]] std::size_t waiting() const;
  // Blocks pushed so far, and blocks done with, written or dropped.
  [[nodiscard]] std::uint64_t pushed() const;
  [[nodiscard]] std::uint64_t done() const { return done_; }

 private:
  using Clock = std::chrono::steady_clock;
  explicit Recorder(RecorderOptions options);
  void run();
  [[nodiscard]] bool ready() const;  // under the lock
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
  bool started_ = false;    // the thread may begin
  bool finished_ = false;   // nothing comes any more
  bool undecided_ = false;  // and no answers
  std::deque<CompleteFile> completeFiles_;
  std::deque<Error> faults_;
  RecorderStats stats_;
  std::map<InterfaceId, std::uint64_t> droppedOf_;  // so far
  std::string filter_;
  std::atomic<std::uint64_t> done_{0};
  std::atomic<bool> ended_{false};

  // The thread's own.
  FileSet files_;
  RecordingStream stream_;
  SavefileCounts flushed_;  // of the file: what has been brought to it
  bool failed_ = false;
};

}  // namespace ringtap
