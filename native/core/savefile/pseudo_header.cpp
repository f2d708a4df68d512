#include "core/savefile/pseudo_header.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "core/savefile/savefile_format.h"
#include "core/util/byte_order.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

constexpr std::uint16_t kPflog = 117;
constexpr std::uint16_t kUsbLinux = 189;
constexpr std::uint16_t kUsbLinuxMmapped = 220;
constexpr std::uint16_t kNflog = 239;

// Swaps single fields, if they are completely within the data.
class Fields {
 public:
  explicit Fields(std::span<std::uint8_t> data) : data_(data) {}
  // Returns false if the field is not completely within the data.
  bool swap(std::size_t at, std::size_t size) {
    if (at > data_.size() || data_.size() - at < size) return false;
    std::reverse(data_.begin() + static_cast<std::ptrdiff_t>(at),
                 data_.begin() + static_cast<std::ptrdiff_t>(at + size));
    return true;
  }
  // In this machine's byte order; 0 if not completely within the data.
  [[nodiscard]] std::uint32_t load32(std::size_t at) const {
    std::uint32_t value = 0;
    if (at + sizeof value <= data_.size()) std::memcpy(&value, data_.data() + at, sizeof value);
    return value;
  }

 private:
  std::span<std::uint8_t> data_;
};

// The kernel's usbmon header (struct usbmon_packet, Documentation/usb/usbmon.rst): 48 bytes, or 64 with the fields of
// the memory-mapped interface, followed by descriptors of isochronous transfers.
void swapUsb(std::span<std::uint8_t> data, bool mmapped) {
  Fields fields(data);
  // id, bus number, seconds, microseconds, status, length of the transfer, length of the data
  constexpr std::size_t kCommon[][2] = {{0, 8}, {12, 2}, {16, 8}, {24, 4}, {28, 4}, {32, 4}, {36, 4}};
  for (const auto& [at, size] : kCommon) {
    if (!fields.swap(at, size)) return;
  }
  constexpr std::size_t kTransferType = 9;
  const bool isochronous = data[kTransferType] == 0;
  // error count, number of descriptors; other transfers have a setup packet here, in the bus's byte order
  if (isochronous && (!fields.swap(40, 4) || !fields.swap(44, 4))) return;
  if (!mmapped) return;
  // interval, start frame, flags, descriptors that follow
  for (const std::size_t at : {48, 52, 56, 60}) {
    if (!fields.swap(at, 4)) return;
  }
  if (!isochronous) return;
  const std::uint64_t descriptors = fields.load32(60);
  constexpr std::size_t kDescriptor = 16;  // status, offset, length, padding
  for (std::size_t i = 0, at = 64; i < descriptors; ++i, at += kDescriptor) {
    if (!fields.swap(at, 4) || !fields.swap(at + 4, 4) || !fields.swap(at + 8, 4)) return;
  }
}

// A header in network byte order, then attributes with lengths and types in host byte order.
void swapNflog(std::span<std::uint8_t> data, std::uint32_t original) {
  constexpr std::size_t kHeader = 4;
  constexpr std::size_t kAttribute = 4;
  constexpr std::size_t kVersion = 1;
  if (data.size() < kHeader || original < kHeader || data[kVersion] != 0) return;
  const std::uint64_t limit = std::min<std::uint64_t>(data.size(), original);
  Fields fields(data);
  for (std::size_t at = kHeader; data.size() - at >= kAttribute;) {
    (void)fields.swap(at, 2);
    (void)fields.swap(at + 2, 2);
    std::uint16_t length;
    std::memcpy(&length, data.data() + at, sizeof length);
    const std::uint64_t whole = savefile::padded(length);
    if (whole < kAttribute || whole > limit - at) return;
    at += whole;
  }
}

// OpenBSD's struct pfloghdr: the user and process IDs of the packet and of the rule. Older versions are shorter.
void swapPflog(std::span<std::uint8_t> data, std::uint32_t original) {
  if (data.empty()) return;
  const std::size_t limit = std::min<std::size_t>({data.size(), original, data[0]});
  Fields fields(data.first(limit));
  for (const std::size_t at : {44, 48, 52, 56}) {
    if (!fields.swap(at, 4)) return;
  }
}

// A cooked header, with its protocol in network byte order, followed by a SocketCAN header.
void swapCooked(std::span<std::uint8_t> data, std::uint32_t original, std::size_t header, std::size_t protocolAt) {
  if (data.size() < header || original < header) return;
  const unsigned protocol = bigEndian16(data.data() + protocolAt);
  Fields fields(data.first(std::min<std::size_t>(data.size(), original)).subspan(header));
  constexpr unsigned kCan = 0x000c;
  constexpr unsigned kCanFd = 0x000d;
  constexpr unsigned kCanXl = 0x000e;
  if (protocol == kCan || protocol == kCanFd) (void)fields.swap(0, 4);  // the identifier
  // priority and virtual network, length of the payload, acceptance field
  if (protocol == kCanXl && fields.swap(0, 4) && fields.swap(6, 2)) (void)fields.swap(8, 4);
}

}  // namespace

bool hasHostOrderHeader(std::uint16_t linkType) {
  switch (linkType) {
    case kLinkTypeLinuxSll:
    case kPflog:
    case kUsbLinux:
    case kUsbLinuxMmapped:
    case kNflog:
    case kLinkTypeLinuxSll2: return true;
    default: return false;
  }
}

void swapPseudoHeader(std::uint16_t linkType, std::span<std::uint8_t> data, std::uint32_t original) {
  switch (linkType) {
    case kLinkTypeLinuxSll: return swapCooked(data, original, 16, 14);
    case kLinkTypeLinuxSll2: return swapCooked(data, original, 20, 0);
    case kPflog: return swapPflog(data, original);
    case kUsbLinux: return swapUsb(data, false);
    case kUsbLinuxMmapped: return swapUsb(data, true);
    case kNflog: return swapNflog(data, original);
    default: return;
  }
}

}  // namespace ringtap
