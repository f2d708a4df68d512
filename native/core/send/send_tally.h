// The ledger of a sender: every frame was sent, or refused for a cause.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringtap {

// lib/send/send-result.ts has the words for these, in this order.
enum class Refusal : std::uint8_t {
  None,
  TooShort,       // shorter than the link layer's header (EINVAL)
  TooLong,        // longer than the interface's MTU allows (EMSGSIZE)
  InterfaceDown,  // ENETDOWN
  InterfaceGone,  // ENXIO
  NoRoom,         // the send buffer or the device's queue stayed full (EAGAIN, ENOBUFS, ENOMEM)
  Truncated,      // a captured packet of which bytes are missing; never shown to the kernel
  LinkType,       // a captured packet that begins otherwise than packets of the interface do; neither
  Checksum,       // a captured packet whose checksum was left to a device, and cannot be finished here; neither
  Other,          // any other error number
};

// Of a packet socket's sendmsg(2) (packet_snd, net/packet/af_packet.c).
[[nodiscard]] Refusal refusalOf(int number);

struct RefusalCount {
  Refusal cause = Refusal::None;
  int number = 0;  // errno; 0 where the kernel was not asked
  std::uint64_t count = 0;
  std::vector<std::uint64_t> positions;  // of the first of them
};

class SendTally {
 public:
  static constexpr std::size_t kMaxPositions = 100;

  void send(std::uint64_t bytes) {
    ++sent_;
    bytes_ += bytes;
  }
  // One entry for each cause and error number: a few dozen at the very most.
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
