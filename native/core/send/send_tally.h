// Counts a sender's frames: each was sent, or refused for a reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringtap {

// lib/send/send-result.ts has the names for these, in this order.
enum class Refusal : std::uint8_t {
  None,
  TooShort,       // shorter than the link layer's header (EINVAL)
  TooLong,        // longer than the interface's MTU allows (EMSGSIZE)
  InterfaceDown,  // ENETDOWN
  InterfaceGone,  // ENXIO
  NoRoom,         // the send buffer or the device's queue stayed full (EAGAIN, ENOBUFS, ENOMEM)
  Truncated,      // a captured packet with bytes missing; never passed to the kernel
  LinkType,       // a captured packet of another link type than the interface's; never passed to the kernel
  Checksum,       // a captured packet whose checksum cannot be finished here; never passed to the kernel
  Other,          // any other error number
};

// The reason for an errno of sendmsg(2) on a packet socket (packet_snd, net/packet/af_packet.c).
[[nodiscard]] Refusal refusalOf(int number);

struct RefusalCount {
  Refusal cause = Refusal::None;
  int number = 0;  // errno; 0 if the frame was not passed to the kernel
  std::uint64_t count = 0;
  std::vector<std::uint64_t> positions;  // of the first kMaxPositions of them
};

class SendTally {
 public:
  static constexpr std::size_t kMaxPositions = 100;

  void send(std::uint64_t bytes) {
    ++sent_;
    bytes_ += bytes;
  }
  // Keeps one entry for each cause and errno: a few dozen at most.
  void refuse(Refusal cause, int number, std::uint64_t position);

  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }
  [[nodiscard]] const std::vector<RefusalCount>& refusals() const { return refusals_; }

 private:
  std::uint64_t sent_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t refused_ = 0;
  std::vector<RefusalCount> refusals_;
};

}  // namespace ringtap
