// Sends the packets of a file out of an interface, each at its time.
//
// Owner: the thread that calls run(); figures() and stop() may be called from any thread meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>

#include "core/savefile/savefile_source.h"
#include "core/send/injector.h"
#include "core/send/send_tally.h"
#include "core/util/result.h"

namespace ringtap {

struct ReplayOptions {
  double speed = 1;  // as ReplaySchedule has it
  std::uint64_t longestGap = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t passes = 1;  // through the file; 0: until stop()
};

struct ReplayStats {
  std::uint64_t packets = 0;  // dealt with: sent or refused
  std::uint64_t sent = 0;
  std::uint64_t bytes = 0;
  std::uint64_t refused = 0;
  std::uint64_t passes = 0;  // begun
  std::uint64_t nanoseconds = 0;
  // How long after their time packets were handed to the kernel, nanoseconds; 0 where all is due at once.
  std::uint64_t latenessSum = 0;
  std::uint64_t latenessMost = 0;
};

class ReplaySender {
 public:
  // Opens the file anew for each pass.
  using Open = std::function<Result<std::unique_ptr<SavefileSource>>()>;

  ReplaySender(std::unique_ptr<Injector> injector, Open open, const ReplayOptions& options);

  // Sends until the last pass is through, or stop(). A packet is never sent ahead of its time; one that is late is sent
  // at once and puts none of the others off. Accuracy is that of the kernel's timers and scheduler: on an idle machine
  // some ten microseconds. Sets the calling thread's timer slack.
  Result<> run();

  // run() returns within a millisecond or so.
  void stop();

  [[nodiscard]] ReplayStats stats() const;
  // When run() has returned.
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
