// Compiling filters: the errors, and the effect of the kernel's extensions. The interpreter computes the verdicts.
#include "core/filter/filter.h"

#include <linux/filter.h>

#include <algorithm>
#include <array>
#include <thread>

#include "core/bpf/socket_filter.h"
#include "core/filter/filter_interpreter.h"
#include "support/check.h"

using namespace ringtap;

namespace {

constexpr std::uint32_t kSnapshot = 262144;

Code codeOf(const std::string& expression, std::uint16_t linkType, std::uint32_t snapshot = kSnapshot) {
  const auto compiled = compileFilter(expression, linkType, snapshot, FilterInput::Memory);
  CHECK(!compiled.ok());
  return compiled.ok() ? Code::System : compiled.error().code;
}

bool asksKernel(const FilterProgram& program) {
  return std::ranges::any_of(program, [](const FilterInstruction& each) {
    return BPF_CLASS(each.code) == BPF_LD && BPF_MODE(each.code) == BPF_ABS &&
           each.k >= static_cast<std::uint32_t>(SKF_AD_OFF);
  });
}

bool matches(const FilterProgram& program, const std::vector<std::uint8_t>& bytes,
             const PacketMetadata& metadata = {}) {
  return runFilter(program, bytes, static_cast<std::uint32_t>(bytes.size()), metadata) != 0;
}

std::vector<std::uint8_t> arpFrame() {
  std::vector<std::uint8_t> bytes(60);
  bytes[12] = 0x08;
  bytes[13] = 0x06;
  return bytes;
}

}  // namespace

TEST(blankExpressionsMatchEverythingOnAnyLinkType) {
  for (const char* expression : {"", " ", " \t\r\n "}) {
    for (const std::uint16_t linkType : {kLinkTypeEthernet, kLinkTypeRaw, kLinkTypeUnknown}) {
      const auto compiled = compileSocketFilter(expression, linkType, 96);
      CHECK(compiled.ok() && compiled.value().instructions == FilterProgram{{BPF_RET | BPF_K, 0, 0, 96}});
    }
  }
}

TEST(errorsHaveTheirCode) {
  CHECK(codeOf("tcp prt 80", kLinkTypeEthernet) == Code::FilterSyntax);
  CHECK(codeOf("arp", kLinkTypeRaw) == Code::FilterSyntax);
  CHECK(codeOf("ip6 protochain 58", kLinkTypeEthernet) == Code::FilterSyntax);
  CHECK(codeOf(std::string("ip\0", 3), kLinkTypeEthernet) == Code::FilterSyntax);
  CHECK(codeOf("ip", kLinkTypeUnknown) == Code::Option);
  CHECK(codeOf("ip", kLinkTypeEthernet, 0) == Code::Option);
  CHECK(codeOf("ip", kLinkTypeEthernet, kMaxSnapshotLength + 1) == Code::Option);
}

// libpcap loads from an offset that it never sets there; a version that mends that accepts the expression.
TEST(aRefusalNamesALoopOnlyWhereThereIsOne) {
  const auto looping = compileFilter("ip protochain 6", kLinkTypeEthernet, kSnapshot, FilterInput::Memory);
  CHECK(!looping.ok() && looping.error().message.find("needs a loop") != std::string::npos);
  const auto loading = compileFilter("clnp", 132, kSnapshot, FilterInput::Memory);  // 132: Juniper ES
  CHECK(loading.ok() || loading.error().message.find("loop") == std::string::npos);
}

TEST(anExpressionALinkTypeLacksMatchesNothingThere) {
  const std::array<std::uint16_t, 4> linkTypes{kLinkTypeEthernet, kLinkTypeRaw, 105, kLinkTypeUnknown};
  const auto arp = compileForLinkTypes("arp", kSnapshot, FilterInput::Memory, linkTypes);
  CHECK(arp.ok());
  if (arp.ok()) {
    const auto& filters = arp.value().filters;
    CHECK(filters.size() == 4);
    CHECK(filters[0].linkType == kLinkTypeEthernet && filters[0].refusal.empty());
    CHECK(matches(filters[0].instructions, arpFrame()));
    CHECK(filters[1].linkType == kLinkTypeRaw && filters[1].refusal.find("rejects all packets") != std::string::npos);
    CHECK(!matches(filters[1].instructions, arpFrame()));
    CHECK(filters[2].linkType == 105 && filters[2].refusal.empty());
    CHECK(filters[3].linkType == kLinkTypeUnknown && !filters[3].refusal.empty());
    CHECK(!matches(filters[3].instructions, arpFrame()));
  }
  const auto wifi = compileForLinkTypes("type mgt subtype beacon", kSnapshot, FilterInput::Memory, linkTypes);
  CHECK(wifi.ok() && !wifi.value().filters[0].refusal.empty() && wifi.value().filters[2].refusal.empty());
}

TEST(anExpressionNoLinkTypeHasGivesTheErrorOfTheFirst) {
  for (const char* expression : {"tcp prt 80", "ip and arp", "type mgt subtype beacon"}) {
    const auto compiled = compileForLinkTypes(expression, kSnapshot, FilterInput::Memory);
    const auto ethernet = compileFilter(expression, kLinkTypeEthernet, kSnapshot, FilterInput::Memory);
    CHECK(!compiled.ok() && !ethernet.ok() && compiled.error().message == ethernet.error().message);
  }
}

TEST(aProgramTooLargeForOneLinkTypeIsRefused) {
  std::string list = "ether host 2:0:0:0:0:0";
  char address[32];
  for (int i = 1; i < 450; ++i) {
    std::snprintf(address, sizeof address, " or ether host 2:0:0:0:%x:%x", i >> 8, i & 255);
    list += address;
  }
  const auto compiled = compileForLinkTypes(list, kSnapshot, FilterInput::Memory);
  CHECK(!compiled.ok() && compiled.error().code == Code::FilterTooLarge);
}

// Tested alone: where the extensions can be had, the outcome of compileFilter() does not show which words need them.
TEST(kernelExtensionsAreNeededForVlanDirectionAndIfindex) {
  for (const char* expression : {"vlan", "vlan 5", "ip and(vlan)", "not inbound", "outbound", "ifindex 3", "!vlan"}) {
    CHECK(needsKernelExtensions(expression));
  }
  for (const char* expression : {"", "tcp port 80", "host vlan.example", "host my-vlan", "host vlan5", "VLAN"}) {
    CHECK(!needsKernelExtensions(expression));
  }
}

TEST(vlanMatchesStrippedTagsWithExtensionsOnly) {
  PacketMetadata stripped;
  stripped.vlanPresent = true;
  stripped.vlanTci = 0x6005;  // priority 3, VLAN 5
  stripped.vlanTpid = 0x8100;
  std::vector<std::uint8_t> tagged = arpFrame();
  tagged[12] = 0x81;
  tagged[13] = 0x00;
  tagged[15] = 5;

  const auto dead = compileFilter("vlan 5", kLinkTypeEthernet, kSnapshot, FilterInput::Memory);
  CHECK(dead.ok() && !dead.value().extensionsMissing && !asksKernel(dead.value().instructions));
  CHECK(matches(dead.value().instructions, tagged) && !matches(dead.value().instructions, arpFrame(), stripped));

  const auto live = compileSocketFilter("vlan 5", kLinkTypeEthernet, kSnapshot);
  if (!live.ok()) {
    CHECK(live.error().code == Code::Permission && std::string_view(live.error().syscall) == "socket");
    SKIP("no packet socket can be opened here (CAP_NET_RAW)");
  } else {
    const auto& program = live.value().instructions;
    CHECK(asksKernel(program) == !live.value().extensionsMissing);
    CHECK(matches(program, tagged) && !matches(program, arpFrame()));
    if (live.value().extensionsMissing) {
      CHECK(program == dead.value().instructions);
      SKIP("no Ethernet device is up here");
    } else {
      CHECK(matches(program, arpFrame(), stripped));
      stripped.vlanTci = 6;
      CHECK(!matches(program, arpFrame(), stripped));
    }
  }
  const auto plain = compileSocketFilter("tcp", kLinkTypeEthernet, kSnapshot);
  CHECK(plain.ok() && !plain.value().extensionsMissing);
}

TEST(concurrentCompilationsDoNotInterfere) {
  std::array<bool, 4> right{};
  std::array<std::thread, 4> threads;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    threads[i] = std::thread([i, &right] {
      const std::string port = std::to_string(1000 + i);
      char operand[16];
      std::snprintf(operand, sizeof operand, "#0x%zx ", 1000 + i);
      bool ok = true;
      for (int round = 0; round < 50; ++round) {
        const auto good = compileFilter("tcp port " + port, kLinkTypeEthernet, kSnapshot, FilterInput::Memory);
        const auto bad = compileFilter("nonsense" + port + " !", kLinkTypeRaw, kSnapshot, FilterInput::Memory);
        ok = ok && good.ok() && filterListing(good.value().instructions).find(operand) != std::string::npos;
        ok = ok && !bad.ok() && bad.error().message.find(port) != std::string::npos;
      }
      right[i] = ok;
    });
  }
  for (auto& thread : threads) thread.join();
  for (const bool each : right) CHECK(each);
}
