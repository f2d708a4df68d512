// Sends frames out of one network interface, through a packet socket that receives nothing (packet(7)).
//
// Owner: the object that opened it. open() runs on a thread in the interface's network namespace; send() on one thread
// at a time; interrupt() and resume() on any. The destructor waits for packets in flight (synchronize_net, about 10 ms)
// and belongs on a worker thread.
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
#include "core/linux/interrupt.h"
#include "core/send/checksum_offload.h"
#include "core/send/send_tally.h"
#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

struct InjectorOptions {
  // How long frames may wait for room, in nanoseconds since the last frame that was sent. After that each frame is
  // tried once, until one is sent again.
  std::uint64_t maxWait = 1'000'000'000;
  // PACKET_QDISC_BYPASS: frames go directly to the device's queue. Taps on the interface do not see them.
  bool bypassQueue = false;
};

// A frame to be sent. The bytes must stay valid until send() has returned.
struct Frame {
  const std::byte* data = nullptr;
  std::uint32_t length = 0;
  // A VLAN tag to insert after the two Ethernet addresses: EtherType in the upper 16 bits, TCI in the lower; 0: none.
  // For packets from which the kernel stripped the tag.
  std::uint32_t tag = 0;
  // A captured packet, live or from a file: a checksum that was left to the device is finished, and a TCP super-frame
  // is segmented for the device. If false, the bytes are sent unchanged.
  bool captured = false;
  // For a captured packet: it is marked as unfinished (TP_STATUS_CSUMNOTREADY).
  bool checksumPending = false;
  // Not None: the frame is not passed to the kernel but refused for this reason.
  Refusal refusal = Refusal::None;
};

class Injector {
 public:
  // NoInterface: the calling thread's namespace has no interface with this name or alternative name.
  [[nodiscard]] static Result<std::unique_ptr<Injector>> open(const std::string& name, const InjectorOptions& options);
  Injector(const Injector&) = delete;
  Injector& operator=(const Injector&) = delete;

  // The interface as it was at open().
  [[nodiscard]] const InterfaceInfo& interface() const { return interface_; }
  // LINKTYPE_ value; kLinkTypeUnknown if there is none.
  [[nodiscard]] std::uint16_t linkType() const { return linkType_; }

  // Sends the frames in order. Each is sent (the kernel accepted it; the device may still drop it) or refused, and
  // counted in `tally`, at `position` plus its index. Returns the number of frames counted: all of them, unless
  // interrupted.
  std::size_t send(std::span<const Frame> frames, std::uint64_t position, SendTally& tally);

  // Ends a send() in progress. Later calls send nothing until resume().
  void interrupt() { interrupt_.raise(); }
  void resume() { interrupt_.clear(); }
  [[nodiscard]] const Interrupt& interruption() const { return interrupt_; }

  // The most frames in one system call.
  static constexpr std::size_t kBatch = 64;

 private:
  Injector(InterfaceInfo interface, const InjectorOptions& options, UniqueFd socket, Interrupt interrupt);

  // Not None: the frame is refused, and the slot is still free.
  [[nodiscard]] Refusal fill(std::size_t slot, const Frame& frame);
  std::size_t sendBatch(std::size_t count, std::uint64_t position, SendTally& tally);
  [[nodiscard]] bool awaitRoom(int number);

  // The virtio_net_hdr, and a frame in up to three parts: addresses, tag, the rest.
  struct Slot {
    iovec parts[4];
    VirtioNetHeader header;
    std::uint8_t tag[4];
    std::uint32_t length;  // of the frame, with the tag
  };

  InterfaceInfo interface_;
  std::uint16_t linkType_;
  std::uint64_t maxWait_;
  UniqueFd socket_;
  Interrupt interrupt_;
  std::vector<Slot> slots_;
  std::vector<mmsghdr> messages_;
  std::uint64_t stalledSince_ = 0;  // when a frame first found no room; 0: the last one was sent
  std::uint64_t pause_ = 0;
};

}  // namespace ringtap
