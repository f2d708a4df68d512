#include "core/savefile/savefile_description.h"

#include <sys/socket.h>

#include <bit>
#include <cstring>

#include "core/savefile/option_walk.h"
#include "core/savefile/savefile_format.h"

namespace ringtap {

namespace {

std::string textOf(std::span<const std::uint8_t> value) {
  const auto text = untilZero(value);
  return {text.begin(), text.end()};
}

std::uint64_t numberOf(const std::vector<std::uint8_t>& value, bool bigEndian) {
  std::uint64_t number;
  std::memcpy(&number, value.data(), sizeof number);
  return bigEndian == (std::endian::native == std::endian::big) ? number : __builtin_bswap64(number);
}

// An address and its mask, or its prefix length.
InterfaceAddress addressOf(const std::vector<std::uint8_t>& value) {
  InterfaceAddress address;
  address.family = value.size() == 8 ? AF_INET : AF_INET6;
  const std::size_t length = value.size() == 8 ? 4 : 16;
  std::memcpy(address.bytes.data(), value.data(), length);
  if (length == 16) {
    address.prefixLength = value[16];
  } else {
    for (std::size_t i = 4; i < 8; ++i) address.prefixLength += static_cast<std::uint8_t>(std::popcount(value[i]));
  }
  return address;
}

}  // namespace

SavefileInterface describe(const FileInterface& interface, bool bigEndian) {
  using namespace savefile::interface_option;
  SavefileInterface described;
  described.linkType = interface.linkType;
  described.snapLength = interface.snapshotLength;
  for (const auto& [code, value] : interface.options) {
    switch (code) {
      case savefile::kOptionComment: described.comments.push_back(textOf(value)); break;
      case kName: described.name = textOf(value); break;
      case kDescription: described.description = textOf(value); break;
      case kIpv4Address:
        if (value.size() == 8) described.addresses.push_back(addressOf(value));
        break;
      case kIpv6Address:
        if (value.size() == 17) described.addresses.push_back(addressOf(value));
        break;
      case kMacAddress: described.address = value; break;
      case kSpeed:
        if (value.size() == 8) described.speed = numberOf(value, bigEndian);
        break;
      case kFilter:
        // The first byte is 0 for an expression; other values mark filter programs.
        if (value.size() > 1 && value[0] == 0) described.filter = textOf(std::span(value).subspan(1));
        break;
      default: break;
    }
  }
  return described;
}

}  // namespace ringtap
