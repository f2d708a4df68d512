#include "core/capture/pcap/pcap_source.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "core/bpf/attach.h"
#include "core/bpf/connection_filter.h"
#include "core/capture/intake/packet_socket.h"
#include "core/util/byte_order.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

constexpr std::uint32_t kTagLength = 4;
constexpr std::uint32_t kTagOffset = 2 * ETH_ALEN;
constexpr int kFilterAttempts = 5;  // the interface may go down again between two

int optionOf(int socket, int option) {
  int value = -1;
  socklen_t length = sizeof value;
  return ::getsockopt(socket, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

// Unlike if_indextoname(), this needs no further descriptor, so that nothing else is taken for a removal.
bool isRemoved(int socket, int index) {
  ifreq request{};
  request.ifr_ifindex = index;
  return ::ioctl(socket, SIOCGIFNAME, &request) != 0 && errno == ENODEV;
}

Error activationError(pcap_t* handle, const std::string& device, int status, int number) {
  const std::string detail = pcap_geterr(handle);
  Error error{Code::System, device + ": " + (detail.empty() ? pcap_statustostr(status) : detail), 0, "pcap_activate",
              device};
  switch (status) {
    case PCAP_ERROR_NO_SUCH_DEVICE: error.code = Code::NoInterface; break;
    case PCAP_ERROR_IFACE_NOT_UP: error.number = ENETDOWN; break;
    case PCAP_ERROR_PERM_DENIED:
    case PCAP_ERROR_PROMISC_PERM_DENIED:
      error.code = Code::Permission;
      error.number = EPERM;
      break;
    default:
      error.number = number;
      // Devices that are not interfaces report only the text of the system error (pcap-netfilter-linux.c, …).
      if (number == EPERM || number == EACCES) error.code = Code::Permission;
  }
  return error;
}

}  // namespace

bool isAbsent(const Error& error) {
  return error.code == Code::NoInterface || error.number == ENETDOWN || error.number == ENODEV || error.number == ENXIO;
}

struct PcapSource::Reading {
  PcapSource& source;
  PacketSink& sink;
  RecordHead head;
  FilledPacket packet;  // the fields common to all packets of the handle
};

Result<std::shared_ptr<PcapSource>> PcapSource::open(const std::string& device, std::uint32_t index,
                                                     const PcapSettings& settings, std::size_t bufferSize) {
  // One VLAN tag longer than requested: libpcap truncates after it has put the tag back.
  const std::uint32_t length = std::min<std::uint32_t>(settings.snapshotLength + kTagLength, kMaxSnapshotLength);
  auto activated = activateHandle(device.c_str(), [&](pcap_t* handle) {
    pcap_set_snaplen(handle, static_cast<int>(length));
    pcap_set_buffer_size(handle, static_cast<int>(std::min<std::size_t>(bufferSize, INT_MAX)));
    pcap_set_timeout(handle, static_cast<int>(settings.timeoutMilliseconds));
    pcap_set_protocol_linux(handle, kQuietProtocol);
    (void)pcap_set_tstamp_precision(handle, PCAP_TSTAMP_PRECISION_NANO);  // if unsupported: microseconds
  });
  if (!activated) return std::move(activated.error());
  PcapHandle handle = std::move(activated->handle);
  if (!handle) return Error{Code::System, device + ": " + activated->reason, 0, "pcap_create", device};
  const int status = activated->status;
  if (status < 0) return activationError(handle.get(), device, status, activated->number);
  std::shared_ptr<PcapSource> source(new PcapSource(std::move(handle), device, index, settings));
  if (status == PCAP_WARNING) source->warning_ = device + ": " + pcap_geterr(source->handle_.get());
  if (auto learned = source->learn(); !learned) return std::move(learned.error());
  return source;
}

// Determines the kind of handle.
Result<> PcapSource::learn() {
  char reason[PCAP_ERRBUF_SIZE] = "";
  if (pcap_setnonblock(handle_.get(), 1, reason) != 0) {
    return Error{Code::System, device_ + ": " + reason, 0, "pcap_setnonblock", device_};
  }
  fd_ = pcap_get_selectable_fd(handle_.get());
  if (const timeval* required = pcap_get_required_select_timeout(handle_.get())) {
    pollMilliseconds_ = std::max(1, static_cast<int>(required->tv_sec * 1000 + required->tv_usec / 1000));
  } else if (fd_ < 0) {
    pollMilliseconds_ = static_cast<int>(settings_.timeoutMilliseconds);
  }
  nanoseconds_ = pcap_get_tstamp_precision(handle_.get()) == PCAP_TSTAMP_PRECISION_NANO;
  linkType_ = linkTypeOfDlt(pcap_datalink(handle_.get()));
  hardwareType_ = ARPHRD_VOID;
  packetSocket_ = optionOf(fd_, SO_DOMAIN) == AF_PACKET;
  if (packetSocket_) {
    sockaddr_ll address{};
    socklen_t length = sizeof address;
    if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      return Error::fromErrno("getsockname");
    }
    if (address.sll_ifindex == 0) {
      return Error{Code::Option,
                   "\"" + device_ + "\" is no interface of its own; leave `interfaces` out to capture on every one", 0,
                   "", device_};
    }
    interface_ = static_cast<std::uint32_t>(address.sll_ifindex);
    hardwareType_ = address.sll_hatype;
    // Of an interface that was removed meanwhile, getsockname() reports hardware type 0, a type like any other.
    if (isRemoved(fd_, address.sll_ifindex)) {
      return Error{Code::NoInterface, device_ + " was removed while it was opened", ENODEV, "SIOCGIFNAME", device_};
    }
    kernelFiltered_ = optionOf(fd_, SO_TYPE) == SOCK_RAW && linkType_ == linkTypeOf(hardwareType_);
  }
  if (kernelFiltered_ || settings_.direction == Direction::Both) return {};
  const auto direction = settings_.direction == Direction::In ? PCAP_D_IN : PCAP_D_OUT;
  if (pcap_setdirection(handle_.get(), direction) == 0) return {};
  return Error{Code::Option, device_ + " does not report directions: " + pcap_geterr(handle_.get()), 0, "", device_};
}

Result<> PcapSource::filter(const FilterSpec& spec) {
  std::lock_guard lock(mutex_);
  if (!kernelFiltered_) return setUserFilter(spec);
  auto program = assembleCbpf(spec, {});
  if (!program) return std::move(program.error());
  return attachFilter(fd_, *program);
}

Result<> PcapSource::setUserFilter(const FilterSpec& spec) {
  FilterProgram program{{BPF_RET | BPF_K, 0, 0, spec.snapshotLength}};
  if (spec.filtered) {
    const LinkTypeFilter* own = programFor(spec, linkType_);
    if (own != nullptr) program = own->instructions;
    else program.front().k = 0;
  }
  static_assert(sizeof(FilterInstruction) == sizeof(bpf_insn));
  bpf_program request{static_cast<unsigned>(program.size()), reinterpret_cast<bpf_insn*>(program.data())};
  // An interface that goes down leaves an error on its packet socket. pcap_setfilter() fails with it, and has read and
  // thereby cleared it. Packets arrive again when the interface is up.
  int attempts = packetSocket_ ? kFilterAttempts : 1;
  while (pcap_setfilter(handle_.get(), &request) != 0) {
    if (--attempts == 0) return failure("pcap_setfilter");
  }
  excluded_ = spec.connections;
  return {};
}

Result<> PcapSource::receive() { return packetSocket_ ? bindToInterface(fd_, interface_) : Result<>{}; }

Result<> PcapSource::refuse() { return packetSocket_ ? refusePackets(fd_) : Result<>{}; }

Result<> PcapSource::setPromiscuous(bool on) {
  return packetSocket_ ? ringtap::setPromiscuous(fd_, interface_, on) : Result<>{};
}

Error PcapSource::failure(const char* call) {
  const int number = errno;
  return Error{Code::System, device_ + ": " + pcap_geterr(handle_.get()), number, call, device_};
}

Result<PcapSource::Read> PcapSource::read(PacketSink& sink, int limit) {
  std::lock_guard lock(mutex_);
  const auto linkType = linkType_ != linkTypeOf(hardwareType_) ? std::optional(linkType_) : std::nullopt;
  const std::uint16_t networkOffset = linkType_ == kLinkTypeEthernet ? ETH_HLEN : 0;
  Reading reading{*this, sink, RecordHead(index_, linkType, hardwareType_, networkOffset), {}};
  // On packet sockets libpcap reads the host's clock unless pcap_set_tstamp_type() is called. Of other devices it does
  // not report which clock was read.
  if (packetSocket_) reading.head.setSystemTime();
  if (settings_.direction == Direction::Out) reading.packet.packetType = kPacketOutgoing;
  // libpcap, like our own filter, omits what a loopback device sends: the same packet comes in again.
  else if (settings_.direction == Direction::In || hardwareType_ == ARPHRD_LOOPBACK)
    reading.packet.packetType = kPacketIncoming;
  const std::uint64_t before = read_;
  errno = 0;
  const int count = pcap_dispatch(handle_.get(), limit, &deliver, reinterpret_cast<std::uint8_t*>(&reading));
  quiet_ = read_ == before;
  if (count == PCAP_ERROR_BREAK || count >= limit) return Read::More;
  // Netlink devices report an empty socket as an error (pcap-netfilter-linux.c, netfilter_read_linux).
  if (count >= 0 || errno == EAGAIN) return Read::Enough;
  Error error = failure("pcap_dispatch");
  // libpcap has detected it itself, and reports it as text only (pcap-linux.c, device_still_exists).
  if (packetSocket_ && isRemoved(fd_, static_cast<int>(interface_))) error.number = ENODEV;
  return error;
}

void PcapSource::deliver(std::uint8_t* user, const pcap_pkthdr* header, const std::uint8_t* bytes) {
  auto& [source, sink, head, packet] = *reinterpret_cast<Reading*>(user);
  if (source.excluded_ && !source.excluded_->accepts(source.linkType_, {bytes, header->caplen}, header->len)) return;
  ++source.read_;
  const std::uint64_t fraction = static_cast<std::uint64_t>(header->ts.tv_usec) * (source.nanoseconds_ ? 1 : 1000);
  packet.timestamp = static_cast<std::uint64_t>(header->ts.tv_sec) * 1'000'000'000u + fraction;
  packet.seconds = static_cast<std::uint32_t>(packet.timestamp / 1'000'000'000u);
  packet.nanoseconds = static_cast<std::uint32_t>(packet.timestamp % 1'000'000'000u);
  packet.data = {bytes, header->caplen};
  packet.original = header->len;
  std::span<const std::uint8_t> tail;
  if (source.linkType_ == kLinkTypeEthernet) {
    std::uint16_t protocol = packet.data.size() >= ETH_HLEN ? bigEndian16(bytes + kTagOffset) : 0;
    std::optional<RecordHead::Tag> tag;
    const bool tagged = protocol == ETH_P_8021Q || protocol == ETH_P_8021AD;
    if (source.kernelFiltered_ && tagged && packet.data.size() >= kTagOffset + kTagLength) {
      tag = RecordHead::Tag{bigEndian16(bytes + kTagOffset + 2), protocol};
      tail = packet.data.subspan(kTagOffset + kTagLength);
      packet.data = packet.data.first(kTagOffset);
      packet.original -= kTagLength;
      protocol = tail.size() >= 2 ? bigEndian16(tail.data()) : 0;
    }
    head.setProtocol(protocol);
    head.setTag(tag);
  }
  const std::uint32_t max = source.settings_.snapshotLength;
  if (packet.data.size() > max) packet.data = packet.data.first(max);
  if (packet.data.size() + tail.size() > max) tail = tail.first(max - packet.data.size());
  if (!sink.put(head, packet, tail)) pcap_breakloop(source.handle_.get());
}

PcapStatistics PcapSource::statistics() {
  std::lock_guard lock(mutex_);
  return statisticsLocked();
}

PcapStatistics PcapSource::statisticsLocked() {
  // libpcap's counters are 32 bits wide and are not reset by reading.
  pcap_stat now{};
  if (pcap_stats(handle_.get(), &now) == 0) {
    sums_.received += now.ps_recv - last_.ps_recv;
    sums_.drops += now.ps_drop - last_.ps_drop;
    last_ = now;
  }
  sums_.read = read_;
  PcapStatistics sums = sums_;
  // Whether the received count includes packets that were dropped, or that the filter refused, differs between kinds of
  // devices.
  if (!kernelFiltered_) sums.received = read_ + sums.drops;
  return sums;
}

bool PcapSource::allRead() {
  std::lock_guard lock(mutex_);
  if (!kernelFiltered_) return quiet_;
  const PcapStatistics sums = statisticsLocked();
  return sums.received - sums.drops == sums.read;
}

}  // namespace ringtap
