#include "core/send/injector.h"

#include <linux/if_packet.h>

#include <algorithm>

#include "core/links/interface_monitor.h"
#include "core/send/checksum_offload.h"
#include "core/util/clock.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

constexpr std::uint64_t kFirstPause = 20'000;
constexpr std::uint64_t kLongestPause = 5'000'000;

Result<InterfaceInfo> find(const std::string& name) {
  auto monitor = InterfaceMonitor::open();
  if (!monitor) return monitor.error();
  std::string present;
  for (const auto& [index, info] : monitor->interfaces()) {
    const auto& others = info.alternativeNames;
    if (info.name == name || std::find(others.begin(), others.end(), name) != others.end()) return info;
    present += (present.empty() ? "" : ", ") + info.name;
  }
  return Error{.code = Code::NoInterface,
               .message = "no interface has the name " + name + "; there are " + present,
               .interface = name};
}

}  // namespace

Result<std::unique_ptr<Injector>> Injector::open(const std::string& name, const InjectorOptions& options) {
  auto interface = find(name);
  if (!interface) return interface.error();
  auto interrupt = Interrupt::open();
  if (!interrupt) return interrupt.error();

  UniqueFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return Error::fromErrno("socket", "a packet socket cannot be opened");
  const int one = 1;
  if (options.bypassQueue && ::setsockopt(socket.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) != 0) {
    return Error::fromErrno("setsockopt", "the queueing discipline cannot be bypassed");
  }
  // Each frame is preceded by a virtio_net_hdr.
  if (::setsockopt(socket.get(), SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) != 0) {
    return Error::fromErrno("setsockopt", "the kernel cannot be asked to finish checksums");
  }
  // Bound instead of addressed per frame: the socket stays with this device, and does not use another one that gets its
  // index later. Binding with protocol 0 does not start reception (packet_do_bind, net/packet/af_packet.c).
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(interface->index);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const Code code = errno == ENODEV ? Code::NoInterface : Code::System;
    Error error = Error::fromErrno("bind", "no frame can be sent on " + name, code);
    error.interface = name;
    return error;
  }
  return std::unique_ptr<Injector>(
      new Injector(std::move(*interface), options, std::move(socket), std::move(*interrupt)));
}

Injector::Injector(InterfaceInfo interface, const InjectorOptions& options, UniqueFd socket, Interrupt interrupt)
    : interface_(std::move(interface)),
      linkType_(linkTypeOf(interface_.hardwareType)),
      maxWait_(options.maxWait),
      socket_(std::move(socket)),
      interrupt_(std::move(interrupt)),
      slots_(kBatch),
      messages_(kBatch) {
  for (std::size_t i = 0; i < kBatch; ++i) messages_[i].msg_hdr.msg_iov = slots_[i].parts;
}

Refusal Injector::fill(std::size_t at, const Frame& frame) {
  if (frame.refusal != Refusal::None) return frame.refusal;
  Slot& slot = slots_[at];
  const bool tagged = frame.tag != 0 && frame.length > kEthernetAddresses;
  slot.header = {};
  if (frame.captured) {
    const ChecksumPlan plan = planChecksum({{reinterpret_cast<const std::uint8_t*>(frame.data), frame.length},
                                            linkType_ == kLinkTypeEthernet,
                                            tagged ? sizeof slot.tag : 0,
                                            frame.checksumPending,
                                            interface_.mtu});
    if (plan.state == ChecksumState::Unfinishable) return Refusal::Checksum;
    slot.header = plan.header;
  }
  auto* data = const_cast<std::byte*>(frame.data);  // iovec also serves readv(2); sending does not write
  std::size_t parts = 2;
  slot.parts[0] = {&slot.header, sizeof slot.header};
  slot.parts[1] = {data, frame.length};
  slot.length = frame.length;
  if (tagged) {
    for (int i = 0; i < 4; ++i) slot.tag[i] = static_cast<std::uint8_t>(frame.tag >> (24 - 8 * i));
    slot.parts[1].iov_len = kEthernetAddresses;
    slot.parts[2] = {slot.tag, sizeof slot.tag};
    slot.parts[3] = {data + kEthernetAddresses, frame.length - kEthernetAddresses};
    slot.length += sizeof slot.tag;
    parts = 4;
  }
  messages_[at].msg_hdr.msg_iovlen = parts;
  return Refusal::None;
}

std::size_t Injector::send(std::span<const Frame> frames, std::uint64_t position, SendTally& tally) {
  std::size_t done = 0;
  while (done < frames.size()) {
    std::size_t count = 0;
    Refusal refusal = Refusal::None;
    while (count < kBatch && done + count < frames.size()) {
      refusal = fill(count, frames[done + count]);
      if (refusal != Refusal::None) break;
      ++count;
    }
    const std::size_t dealtWith = sendBatch(count, position + done, tally);
    done += dealtWith;
    if (dealtWith < count || interrupt_.raised()) return done;
    if (refusal != Refusal::None) {
      tally.refuse(refusal, 0, position + done);
      ++done;
    }
  }
  return done;
}

std::size_t Injector::sendBatch(std::size_t count, std::uint64_t position, SendTally& tally) {
  std::size_t done = 0;
  while (done < count && !interrupt_.raised()) {
    const int taken = ::sendmmsg(socket_.get(), &messages_[done], static_cast<unsigned>(count - done), 0);
    const int number = taken < 0 ? errno : 0;
    if (taken > 0) {
      for (int i = 0; i < taken; ++i) tally.send(slots_[done++].length);
      stalledSince_ = 0;
      continue;
    }
    // sendmmsg(2) returns the error of the first message only; that of a later one is returned when it is the first.
    if (number == EINTR) continue;
    if (refusalOf(number) == Refusal::NoRoom && awaitRoom(number)) continue;
    tally.refuse(refusalOf(number), number, position + done);
    ++done;
  }
  return done;
}

// EAGAIN: the socket's send buffer is full, and the socket becomes writable when there is room again. ENOBUFS: the
// device's queue is full, or an egress filter dropped the frame (the kernel does not distinguish these), and nothing
// signals when there is room.
bool Injector::awaitRoom(int number) {
  const std::uint64_t now = monotonicNow();
  if (stalledSince_ == 0) {
    stalledSince_ = now;
    pause_ = kFirstPause;
  }
  const std::uint64_t end = stalledSince_ + maxWait_;
  if (now >= end) return false;
  if (number == EAGAIN) {
    interrupt_.waitWritable(socket_.get(), end);
  } else {
    interrupt_.waitWritable(-1, std::min(now + pause_, end));
    pause_ = std::min(2 * pause_, kLongestPause);
  }
  return true;
}

}  // namespace ringtap
