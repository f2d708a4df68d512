// Sends a file's packets out of an interface, each when it is due.
//
// Owner: the thread that calls run(). stats() and stop() may be called from any thread meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "core/savefile/savefile_source.h"
#include "core/send/injector.h"
#include "core/send/replay_schedule.h"
#include "core/send/send_tally.h"
#include "core/util/result.h"

namespace ringtap {

struct ReplayOptions {
  double speed = 1;  // as in ReplaySchedule
  std::uint64_t longestGap = ReplaySchedule::kNoLimit;
  std::uint64_t passes = 1;  // passes through the file; 0: repeat until stop()
};

struct ReplayStats {
  std::uint64_t packets = 0;  // sent or refused
  std::uint64_t sent = 0;
  std::uint64_t bytes = 0;
  std::uint64_t refused = 0;
  std::uint64_t passes = 0;  // started so far
  std::uint64_t nanoseconds = 0;
  // How late packets were passed to the kernel, in nanoseconds: sum and maximum. 0 if all packets are due immediately.
  std::uint64_t latenessSum = 0;
  std::uint64_t latenessMost = 0;
};

class ReplaySender {
 public:
  // Opens the file again for each pass.
  using Open = std::function<Result<std::unique_ptr<SavefileSource>>()>;

  ReplaySender(std::unique_ptr<Injector> injector, Open open, const ReplayOptions& options);

  // Sends until the last pass is complete, or stop(). A packet is never sent before it is due. A late packet is sent
  // immediately and does not delay the others. Accuracy is that of the kernel's timers and scheduler: about ten
  // microseconds on an idle machine. Sets the calling thread's timer slack.
  Result<> run();

  // run() then returns within about a millisecond.
  void stop();

  [[nodiscard]] ReplayStats stats() const;
  // Valid after run() has returned.
  [[nodiscard]] const SendTally& tally() const { return tally_; }
  [[nodiscard]] const InterfaceInfo& interface() const { return injector_->interface(); }

 private:
  class Pass;

  Result<std::unique_ptr<SavefileSource>> openPass();

  std::unique_ptr<Injector> injector_;
  Open open_;
  ReplayOptions options_;
  SendTally tally_;
  std::uint64_t begun_ = 0;
  mutable std::mutex mutex_;
  ReplayStats stats_;                 // under the mutex
  SavefileSource* source_ = nullptr;  // under the mutex
};

}  // namespace ringtap
