// When each packet of a file is due, if the file's own timing is kept, or multiplied. Pure arithmetic.
#pragma once

#include <cstdint>
#include <limits>

namespace ringtap {

class ReplaySchedule {
 public:
  static constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

  // `speed`: times as fast as in the file, above 0; infinity: all is due at once. `longestGap`: a longer silence in the
  // file counts as this much, nanoseconds. `start`: when the first packet is due.
  ReplaySchedule(double speed, std::uint64_t longestGap, std::uint64_t start)
      : speed_(speed), longestGap_(longestGap), start_(start), due_(start) {}

  // The moment at which the next packet of the file, taken at `timestamp`, is due; none is due ahead of one before it.
  // A packet that is older than its predecessors is due with the last of them; what follows is not put off by it.
  [[nodiscard]] std::uint64_t due(std::uint64_t timestamp);

  // The file begins anew: its first packet is due with the last one so far.
  void restart() { begun_ = false; }

 private:
  double speed_;
  std::uint64_t longestGap_;
  std::uint64_t start_;
  std::uint64_t due_;
  bool begun_ = false;
  std::uint64_t latest_ = 0;   // of the timestamps so far
  std::uint64_t elapsed_ = 0;  // in the file's time, silences cut; not in ours, so that rounding does not add up
};

}  // namespace ringtap
