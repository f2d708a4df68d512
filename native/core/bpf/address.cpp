#include "core/bpf/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

namespace ringtap {

namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::size_t kLongest = INET6_ADDRSTRLEN - 1;

Error refuse(std::string reason) { return Error{Code::Option, std::move(reason)}; }

bool consistsOf(std::string_view text, std::string_view characters) {
  return text.find_first_not_of(characters) == std::string_view::npos;
}

// The value of one to three digits.
std::uint32_t numberOf(std::string_view digits) {
  std::uint32_t value = 0;
  for (const char digit : digits) value = value * 10 + static_cast<std::uint32_t>(digit - '0');
  return value;
}

Result<Prefix> parse4(std::string_view text) {
  Prefix address{0, 32, false};
  int numbers = 0;
  for (std::string_view rest = text;; ++numbers) {
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    const std::string_view digits = rest.substr(0, dot);
    if (digits.empty() || numbers == 4) return refuse("an IPv4 address has four numbers");
    if (digits.size() > 1 && digits.front() == '0') return refuse("a number with leading zeros may be meant as octal");
    if (digits.size() > 3 || numberOf(digits) > 255) return refuse(std::string(digits.substr(0, 20)) + " is above 255");
    address.value = address.value << 8 | numberOf(digits);
    if (dot == rest.size()) break;
    rest.remove_prefix(dot + 1);
  }
  if (numbers != 3) return refuse("an IPv4 address has four numbers");
  return address;
}

Result<Prefix> parse6(std::string_view text) {
  std::uint8_t bytes[16];
  if (text.size() > kLongest || ::inet_pton(AF_INET6, std::string(text).c_str(), bytes) != 1) {
    return refuse("it is no IPv6 address");
  }
  Prefix address{0, 128, true};
  for (const std::uint8_t byte : bytes) address.value = address.value << 8 | byte;
  return address;
}

std::string textOf(const Prefix& prefix) {
  std::uint8_t bytes[16];
  const unsigned size = prefix.six ? 16 : 4;
  for (unsigned i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(prefix.value >> 8 * (size - 1 - i));
  char text[INET6_ADDRSTRLEN];
  if (::inet_ntop(prefix.six ? AF_INET6 : AF_INET, bytes, text, sizeof text) == nullptr) return {};
  return text + ("/" + std::to_string(prefix.length));
}

Result<> applyLength(Prefix& prefix, std::string_view length) {
  const std::uint8_t width = prefix.length;
  if (length.empty() || !consistsOf(length, kDigits) || (length.size() > 1 && length.front() == '0')) {
    return refuse("after the slash comes the number of bits of the prefix");
  }
  if (length.size() > 3 || numberOf(length) > width) {
    return refuse("a prefix of " + std::string(prefix.six ? "IPv6" : "IPv4") + " has at most " + std::to_string(width) +
                  " bits");
  }
  prefix.length = static_cast<std::uint8_t>(numberOf(length));
  const Bits128 beyond = prefix.length == width ? 0 : ~Bits128{0} >> (128 - width + prefix.length);
  if ((prefix.value & beyond) == 0) return {};
  prefix.value &= ~beyond;
  return refuse("it has bits set beyond its prefix; the network is " + textOf(prefix));
}

}  // namespace

Result<Prefix> parsePrefix(std::string_view text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const std::string_view address = text.substr(0, slash);
  if (address.find('%') != std::string_view::npos) return refuse("packets do not carry the zone of an address");
  // Checked because a zero byte would end the text for inet_pton.
  const bool six = address.find(':') != std::string_view::npos && consistsOf(address, "0123456789abcdefABCDEF:.");
  const bool four = !six && !address.empty() && consistsOf(address, "0123456789.");
  if (!four && !six) return refuse("it is neither an IPv4 nor an IPv6 address, and names are not looked up");
  auto prefix = four ? parse4(address) : parse6(address);
  if (!prefix) return prefix;
  if (slash < text.size()) {
    if (auto applied = applyLength(*prefix, text.substr(slash + 1)); !applied) return applied.error();
  }
  constexpr std::uint8_t kMappedLength = 96;
  if (prefix->six && prefix->length >= kMappedLength && prefix->value >> 32 == 0xffff) {
    *prefix = {static_cast<std::uint32_t>(prefix->value), static_cast<std::uint8_t>(prefix->length - kMappedLength),
               false};
  }
  return prefix;
}

}  // namespace ringtap
