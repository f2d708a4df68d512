#include "core/send/send_tally.h"

#include <cerrno>

namespace ringtap {

Refusal refusalOf(int number) {
  switch (number) {
    case EINVAL: return Refusal::TooShort;
    case EMSGSIZE: return Refusal::TooLong;
    case ENETDOWN: return Refusal::InterfaceDown;
    case ENXIO: return Refusal::InterfaceGone;
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM: return Refusal::NoRoom;
    default: return Refusal::Other;
  }
}

void SendTally::refuse(Refusal cause, int number, std::uint64_t position) {
  ++refused_;
  RefusalCount* found = nullptr;
  for (RefusalCount& known : refusals_) {
    if (known.cause == cause && known.number == number) found = &known;
  }
  if (found == nullptr) found = &refusals_.emplace_back(RefusalCount{.cause = cause, .number = number});
  ++found->count;
  if (found->positions.size() < kMaxPositions) found->positions.push_back(position);
}

}  // namespace ringtap
