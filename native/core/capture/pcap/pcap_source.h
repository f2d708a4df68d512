// A live libpcap handle (pcap(3PCAP)) on a network interface or any other device that libpcap supports.
//
// On a network interface the handle is a packet socket. The filter is set and the statistics are read on that socket
// directly, so that the counters are exact: the filter is attached by one call before the socket receives anything, and
// replaced without a gap. (pcap_setfilter() accepts nothing for a moment, and counts packets that it drops afterwards
// as received.) On any other device libpcap filters.
//
// libpcap does not report a packet's direction or packet type: the record has kPacketUnknown (block.h), unless only one
// direction is captured. A VLAN tag that libpcap has put back into the bytes is removed again, as in a ring.
//
// Thread-safe. open() and the destructor may take some milliseconds, read() as long as its packets take.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "core/block/block_filler.h"
#include "core/bpf/cbpf_program.h"
#include "core/linux/live_handle.h"
#include "core/util/result.h"

namespace ringtap {

struct PcapSettings {
  std::uint32_t snapshotLength = 262144;
  Direction direction = Direction::Both;
  std::uint32_t timeoutMilliseconds = 10;  // after which the kernel delivers a part-filled block
};

struct PcapStatistics {
  std::uint64_t received = 0;  // accepted by the filter, including drops
  std::uint64_t drops = 0;     // of these, dropped for lack of room
  std::uint64_t read = 0;

  PcapStatistics& operator+=(const PcapStatistics& other) {
    received += other.received;
    drops += other.drops;
    read += other.read;
    return *this;
  }
};

// Whether the error means only that the interface is down or gone; interface events report that too.
[[nodiscard]] bool isAbsent(const Error& error);

// Receives the packets of read().
class PacketSink {
 public:
  virtual ~PacketSink() = default;
  // Stores the packet: its data, then `tail`. Returns false if there may be no room for another one.
  virtual bool put(const RecordHead& head, const FilledPacket& packet, std::span<const std::uint8_t> tail) = 0;
};

class PcapSource {
 public:
  // Opens the handle; on a network interface nothing is received before receive(). `index`: the interface index in its
  // packets' records.
  //
  // NoInterface: libpcap has no device of that name (any more). Option: the device is libpcap's `any`, or one direction
  // is selected and the device does not support that. System with ENETDOWN: the interface is down.
  [[nodiscard]] static Result<std::shared_ptr<PcapSource>> open(const std::string& device, std::uint32_t index,
                                                                const PcapSettings& settings, std::size_t bufferSize);

  [[nodiscard]] const std::string& device() const { return device_; }
  [[nodiscard]] std::uint32_t index() const { return index_; }
  // The index of the handle's network interface; 0: it is on another kind of device.
  [[nodiscard]] std::uint32_t interface() const { return interface_; }
  [[nodiscard]] std::uint16_t linkType() const { return linkType_; }
  // libpcap's warning at activation; "": none.
  [[nodiscard]] const std::string& warning() const { return warning_; }

  // Sets or replaces the filter.
  Result<> filter(const FilterSpec& spec);
  // Starts receiving.
  Result<> receive();
  // Accepts no packet from now on. Does nothing if libpcap filters instead of the kernel.
  Result<> refuse();
  Result<> setPromiscuous(bool on);

  // For epoll, level-triggered; -1: none, call read() every pollMilliseconds().
  [[nodiscard]] int fd() const { return fd_; }
  // The interval at which to call read() without an event from epoll; -1: never.
  [[nodiscard]] int pollMilliseconds() const { return pollMilliseconds_; }

  enum class Read {
    More,   // there may be more packets, and epoll will not report them
    Enough  // epoll reports further packets
  };
  // Passes waiting packets to the sink, at most `limit`; stops when the sink is full.
  Result<Read> read(PacketSink& sink, int limit);

  [[nodiscard]] PcapStatistics statistics();
  // Whether everything received has been read, as far as can be determined.
  [[nodiscard]] bool allRead();

 private:
  struct Reading;

  PcapSource(PcapHandle handle, std::string device, std::uint32_t index, const PcapSettings& settings)
      : handle_(std::move(handle)), device_(std::move(device)), index_(index), settings_(settings) {}

  Result<> learn();
  Result<> setUserFilter(const FilterSpec& spec);
  [[nodiscard]] PcapStatistics statisticsLocked();
  [[nodiscard]] Error failure(const char* call);
  static void deliver(std::uint8_t* reading, const pcap_pkthdr* header, const std::uint8_t* bytes);

  std::mutex mutex_;  // of the handle
  PcapHandle handle_;
  const std::string device_;
  const std::uint32_t index_;
  const PcapSettings settings_;
  std::string warning_;

  int fd_ = -1;
  int pollMilliseconds_ = -1;
  std::uint32_t interface_ = 0;
  std::uint16_t hardwareType_ = 0;
  std::uint16_t linkType_ = 0;
  bool packetSocket_ = false;
  bool kernelFiltered_ = false;  // the filter is attached to the socket directly, and its counters are exact
  bool nanoseconds_ = false;
  bool quiet_ = false;                                // the last read found nothing
  std::shared_ptr<const ConnectionFilter> excluded_;  // for read(); null where the kernel's filter contains them

  std::uint64_t read_ = 0;
  PcapStatistics sums_;
  pcap_stat last_{};
};

}  // namespace ringtap
