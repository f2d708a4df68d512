// Computes when each packet of a file is due, by the file's own timing or a multiple of its speed. Pure arithmetic.
#pragma once

#include <cstdint>
#include <limits>

namespace ringtap {

class ReplaySchedule {
 public:
  static constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

  // `speed`: a factor above 0; infinity: all packets are due immediately. `longestGap`: longer gaps in the file are
  // shortened to this, nanoseconds. `start`: when the first packet is due, nanoseconds.
  ReplaySchedule(double speed, std::uint64_t longestGap, std::uint64_t start)
      : speed_(speed), longestGap_(longestGap), start_(start), due_(start) {}

  // Returns when the file's next packet, captured at `timestamp`, is due; never before the previous packet. A packet
  // older than its predecessors is due together with the last of them, and does not delay the packets after it.
  [[nodiscard]] std::uint64_t due(std::uint64_t timestamp);

  // Starts the file again: its first packet is due together with the last one so far.
  void restart() { begun_ = false; }

 private:
  double speed_;
  std::uint64_t longestGap_;
  std::uint64_t start_;
  std::uint64_t due_;
  bool begun_ = false;
  std::uint64_t latest_ = 0;   // the latest timestamp so far
  std::uint64_t elapsed_ = 0;  // file time with gaps shortened; not scaled, so that rounding errors do not add up
};

}  // namespace ringtap
