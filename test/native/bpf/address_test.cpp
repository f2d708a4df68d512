// Which texts parse as an address or a prefix, and the errors for the others.
#include "core/bpf/address.h"

#include <string>

#include "support/check.h"

using namespace ringtap;

namespace {

constexpr Bits128 six(std::uint64_t high, std::uint64_t low) { return Bits128{high} << 64 | low; }

bool is(const char* text, const Prefix& expected) {
  const auto prefix = parsePrefix(text);
  if (prefix.ok() && prefix.value() == expected) return true;
  std::fprintf(stderr, "%s: %s\n", text, prefix.ok() ? "another value" : prefix.error().message.c_str());
  return false;
}

bool refused(std::string_view text, const char* reason) {
  const auto prefix = parsePrefix(text);
  if (!prefix.ok() && prefix.error().code == Code::Option && prefix.error().message.find(reason) != std::string::npos) {
    return true;
  }
  std::fprintf(stderr, "%s: %s\n", std::string(text).c_str(), prefix.ok() ? "taken" : prefix.error().message.c_str());
  return false;
}

}  // namespace

TEST(addressesAndPrefixesAreParsed) {
  CHECK(is("10.0.0.1", {0x0a000001, 32, false}));
  CHECK(is("0.0.0.0", {0, 32, false}));
  CHECK(is("255.255.255.255", {0xffffffff, 32, false}));
  CHECK(is("10.0.0.0/8", {0x0a000000, 8, false}));
  CHECK(is("0.0.0.0/0", {0, 0, false}));
  CHECK(is("128.0.0.0/1", {0x80000000, 1, false}));
  CHECK(is("10.0.0.1/32", {0x0a000001, 32, false}));
  CHECK(is("2001:db8::1", {six(0x20010db800000000, 1), 128, true}));
  CHECK(is("2001:DB8::/32", {six(0x20010db800000000, 0), 32, true}));
  CHECK(is("::/0", {0, 0, true}));
  CHECK(is("::", {0, 128, true}));
  CHECK(is("8000::/1", {six(0x8000000000000000, 0), 1, true}));
  CHECK(is("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", {six(~0ull, ~0ull), 128, true}));
  CHECK(is("64:ff9b::10.0.0.1", {six(0x0064ff9b00000000, 0x0a000001), 128, true}));
}

TEST(mappedAddressesAreIPv4) {
  CHECK(is("::ffff:10.0.0.1", {0x0a000001, 32, false}));
  CHECK(is("::ffff:a00:1", {0x0a000001, 32, false}));
  CHECK(is("::ffff:10.0.0.0/104", {0x0a000000, 8, false}));
  CHECK(is("::ffff:0:0/96", {0, 0, false}));
  CHECK(is("::fffe:0:0/95", {six(0, 0xfffe00000000), 95, true}));
  CHECK(is("::10.0.0.1", {0x0a000001, 128, true}));
}

TEST(otherTextIsRefused) {
  CHECK(refused("10.0.0.256", "256 is above 255"));
  CHECK(refused("10.0.0.99999999999999999999999", "above 255"));
  CHECK(refused("10.0.0", "four numbers"));
  CHECK(refused("10.0.0.1.2", "four numbers"));
  CHECK(refused("10.0.0.", "four numbers"));
  CHECK(refused(".10.0.0", "four numbers"));
  CHECK(refused("10", "four numbers"));
  CHECK(refused("10.0.0.01", "leading zeros"));
  CHECK(refused("10.0.0.0/33", "at most 32 bits"));
  CHECK(refused("10.0.0.0/99999999999999", "at most 32 bits"));
  CHECK(refused("2001:db8::/129", "at most 128 bits"));
  CHECK(refused("10.0.0.0/", "number of bits"));
  CHECK(refused("10.0.0.0/08", "number of bits"));
  CHECK(refused("10.0.0.0/-1", "number of bits"));
  CHECK(refused("10.0.0.0/8/8", "number of bits"));
  CHECK(refused("10.0.0.0/255.0.0.0", "number of bits"));
  CHECK(refused("10.0.0.1/8", "the network is 10.0.0.0/8"));
  CHECK(refused("10.0.0.1/0", "the network is 0.0.0.0/0"));
  CHECK(refused("2001:db8::1/64", "the network is 2001:db8::/64"));
  CHECK(refused("::ffff:10.0.0.1/104", "the network is ::ffff:10.0.0.0/104"));
  CHECK(refused("::1/0", "the network is ::/0"));
  CHECK(refused("fe80::1%eth0", "zone"));
  CHECK(refused("1:2:3", "no IPv6 address"));
  CHECK(refused("1::2::3", "no IPv6 address"));
  CHECK(refused("10.0.0.1:80", "no IPv6 address"));
  CHECK(refused(std::string(100, ':'), "no IPv6 address"));
  for (const char* text : {"", " ", "example.com", "10.0.0.1 ", " 10.0.0.1", "10.0.0.1\r", "0x0a000001", "10.0.0.a",
                           "[::1]", "/8", "\xff\xfe"}) {
    CHECK(refused(text, "neither"));
  }
  CHECK(refused(std::string_view("10.0.0.1\0", 9), "neither"));
  CHECK(refused(std::string_view("::1\0", 4), "neither"));
}
