// Sends frames out of one network interface, through a packet socket that receives nothing (packet(7)).
//
// Owner: whoever opened it. open() runs on a thread in the interface's namespace; send() on one thread at a time;
// interrupt() and resume() from any. The destructor waits for packets in flight (synchronize_net, some 10 ms) and
// belongs on a worker thread.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/links/interface_info.h"
#include "core/send/checksum_offload.h"
#include "core/send/send_tally.h"
#include "core/util/interrupt.h"
#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

struct InjectorOptions {
  // How long frames may wait for room, counted from when the last one went through, in nanoseconds. After that each is
  // tried once until one goes through again.
  std::uint64_t patience = 1'000'000'000;
  // PACKET_QDISC_BYPASS: straight to the device's queue. Taps on the interface do not see the frames.
  bool bypass = false;
};

// A frame to be sent. The bytes stay where they are until send() has returned.
struct Frame {
  const std::byte* data = nullptr;
  std::uint32_t length = 0;
  // A VLAN tag to put in behind the two Ethernet addresses: EtherType above TCI; 0: none. For packets out of which the
  // kernel took it.
  std::uint32_t tag = 0;
  // A captured packet, live or of a file: a checksum that was left to the device is finished, and a TCP super-frame
  // divided into what the device takes. Otherwise the bytes go out as they are.
  bool captured = false;
  // Of a captured packet: it is marked as unfinished (TP_STATUS_CSUMNOTREADY).
  bool checksumPending = false;
  // Not None: the frame is not shown to the kernel but refused for this.
  Refusal refusal = Refusal::None;
};

class Injector {
 public:
  // NoInterface: none of that name, or alternative name, in the calling thread's namespace.
  [[nodiscard]] static Result<std::unique_ptr<Injector>> open(const std::string& name, const InjectorOptions& options);
  Injector(const Injector&) = delete;
  Injector& operator=(const Injector&) = delete;

  // As it was when this was opened.
  [[nodiscard]] const InterfaceInfo& interface() const { return interface_; }
  // LINKTYPE_ value, kLinkTypeUnknown where none fits.
  [[nodiscard]] std::uint16_t linkType() const { return linkType_; }

  // Sends the frames in their order. Each is sent (the kernel took it; the device may still drop it) or refused, and
  // tallied, with `position` plus its index; returns for how many that is so: for all, unless interrupted.
  std::size_t send(std::span<const Frame> frames, std::uint64_t position, SendTally& tally);

  // Ends a send() that runs; those after it do nothing, until resume().
  void interrupt() { interrupt_.raise(); }
  void resume() { interrupt_.clear(); }
  [[nodiscard]] const Interrupt& interruption() const { return interrupt_; }

  // Frames in one system call, at most.
  static constexpr std::size_t kBatch = 64;

 private:
  Injector(InterfaceInfo interface, const InjectorOptions& options, UniqueFd socket, Interrupt interrupt);

  // Not None: it is refused, and the slot is still free.
  [[nodiscard]] Refusal fill(std::size_t slot, const Frame& frame);
  std::size_t sendBatch(std::size_t count, std::uint64_t position, SendTally& tally);
  [[nodiscard]] bool awaitRoom(int number);

  // What the kernel has to do, and a frame in up to three parts: addresses, tag, the rest.
  struct Slot {
    iovec parts[4];
    VirtioNetHeader header;
    std::uint8_t tag[4];
    std::uint32_t length;  // of the frame, with the tag
  };

  InterfaceInfo interface_;
  std::uint16_t linkType_;
  std::uint64_t patience_;
  UniqueFd socket_;
  Interrupt interrupt_;
  std::vector<Slot> slots_;
  std::vector<mmsghdr> messages_;
  std::uint64_t stalledSince_ = 0;  // when a frame first found no room; 0: the last one went through
  std::uint64_t pause_ = 0;
};

}  // namespace ringtap
