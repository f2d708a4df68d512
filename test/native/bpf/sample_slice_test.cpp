// Sampling and slices in all forms of the filter, compared with a straightforward implementation.
#include <linux/if_arp.h>

#include <cmath>
#include <optional>

#include "core/bpf/address_locator.h"
#include "core/bpf/sample_filter.h"
#include "core/bpf/sample_program.h"
#include "core/bpf/slice_filter.h"
#include "core/bpf/slice_program.h"
#include "core/filter/filter_interpreter.h"
#include "support/check.h"
#include "support/ebpf_filter.h"
#include "support/headers.h"
#include "support/random_filter.h"
#include "support/stores_before_loads.h"

using namespace ringtap;
using support::Choices;

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint16_t kTypes[] = {ARPHRD_ETHER, ARPHRD_NONE};

// What the filter returns for a packet that nothing but the sampling refuses.
std::uint32_t expectedLength(const FilterSpec& spec, std::uint16_t linkType, const Bytes& bytes) {
  if (spec.sample && !support::sampled(spec.sample->sample(), linkType, bytes)) return 0;
  const auto slice = support::sliceOf(spec.slice, linkType, bytes);
  return slice ? std::min(spec.snapshotLength, static_cast<std::uint32_t>(*slice)) : spec.snapshotLength;
}

}  // namespace

TEST(theProgramsAreValid) {
  for (const FilterProgram& part :
       {sampleProgram({1u << 29, 7}), sliceProgram(Slice::L4, 262144), sliceProgram(Slice::Headers, 262144)}) {
    for (const Locator& locator : locators()) {
      const FilterProgram whole = behindLocator(locator, part);
      CHECK(validateFilter(whole).ok());
      CHECK(support::storesBeforeLoads(whole));
    }
  }
}

TEST(userSpaceAgreesWithTheReference) {
  Choices choices(71);
  support::HeaderChoices packets(choices);
  int taken = 0, cut = 0, deeper = 0;
  for (int i = 0; i < 60'000; ++i) {
    const std::uint16_t linkType = choices.oneIn(2) ? kLinkTypeEthernet : kLinkTypeRaw;
    const Bytes bytes = packets.packet(linkType);
    const auto length = static_cast<std::uint32_t>(bytes.size());
    const Sample sample{0x6000'0000, static_cast<std::uint32_t>(i % 5)};
    const bool expected = support::sampled(sample, linkType, bytes);
    if (i % 16 == 0) CHECK(SampleFilter(sample).accepts(linkType, bytes, length) == expected);
    taken += expected ? 1 : 0;
    std::optional<std::size_t> lengths[2];
    for (const Slice slice : {Slice::L4, Slice::Headers}) {
      auto& reference = lengths[slice == Slice::L4 ? 0 : 1];
      reference = support::sliceOf(slice, linkType, bytes);
      CHECK(sliceLength(slice, linkType, bytes, length) == (reference ? *reference : kWholePacket));
      cut += reference && *reference < bytes.size() ? 1 : 0;
    }
    deeper += lengths[0] && lengths[1] && *lengths[1] > *lengths[0] ? 1 : 0;
  }
  CHECK(taken > 20'000 && taken < 40'000 && cut > 40'000 && deeper > 5000);
}

TEST(bothFormsOfTheFilterAgreeWithTheReference) {
  Choices choices(72);
  support::HeaderChoices packets(choices);
  int accepted = 0, refused = 0;
  for (int round = 0; round < 300; ++round) {
    FilterSpec spec;
    spec.snapshotLength = choices.oneIn(3) ? 1 + choices.below(100) : 262144;
    if (!choices.oneIn(4)) spec.sample = std::make_shared<const SampleFilter>(Sample{0x5000'0000, choices.below(3)});
    spec.slice = static_cast<Slice>(choices.below(3));
    const support::Connections excluded =
        choices.oneIn(4) ? support::randomConnections(choices, 12) : support::Connections{};
    spec.connections = support::filterOf(excluded);
    spec.filtered = choices.oneIn(2);
    if (spec.filtered) {
      // Longer than 100 bytes, and returns the snapshot length, as libpcap's filters do.
      for (const std::uint16_t linkType : {kLinkTypeEthernet, kLinkTypeRaw}) {
        const FilterProgram program{support::op(BPF_LD | BPF_W | BPF_LEN, 0), support::jump(BPF_JGT | BPF_K, 100, 0, 1),
                                    support::op(BPF_RET | BPF_K, spec.snapshotLength), support::op(BPF_RET | BPF_K, 0)};
        spec.programs.push_back({linkType, program, {}});
      }
    }
    support::EbpfFilterModel ebpf(spec, true);
    const auto classic = assembleCbpf(spec, {});
    CHECK(classic.ok() && validateFilter(classic.value()).ok() && support::storesBeforeLoads(classic.value()));
    CHECK(!ebpf.code.empty());
    if (!classic.ok() || ebpf.code.empty()) continue;
    for (std::uint32_t index = 0; index < std::size(kTypes); ++index) ebpf.list(index, kTypes[index], false);
    std::uint64_t count = 0, sampledOut = 0;
    for (int i = 0; i < 40; ++i) {
      PacketMetadata metadata;
      metadata.interfaceIndex = choices.below(std::size(kTypes));
      metadata.hardwareType = kTypes[metadata.interfaceIndex];
      const std::uint16_t linkType = linkTypeOf(metadata.hardwareType);
      const Bytes bytes = packets.packet(linkType);
      const auto length = static_cast<std::uint32_t>(bytes.size());
      const bool passes = (!spec.filtered || length > 100) &&
                          support::connectionPasses(excluded, support::connectionOf(linkType, bytes));
      const std::uint32_t expected = passes ? expectedLength(spec, linkType, bytes) : 0;
      CHECK(runFilter(classic.value(), bytes, length, metadata) == expected);
      CHECK(ebpf.machine.run(ebpf.code, bytes, length, metadata) == expected);
      count += expected != 0 ? 1 : 0;
      sampledOut += passes && expected == 0 ? 1 : 0;
      CHECK(ebpf.accepted() == count && ebpf.sampledOut() == sampledOut);
    }
    accepted += static_cast<int>(count);
    refused += static_cast<int>(sampledOut);
  }
  CHECK(accepted > 3000 && refused > 1500);
}

// Each flow of a port scan, of a subnet and of one pair of hosts is taken with the share as its probability.
TEST(theShareIsKept) {
  for (const std::uint32_t seed : {0u, 1u, 0xdeadbeefu}) {
    for (const int shift : {1, 3, 6}) {
      for (int kind = 0; kind < 3; ++kind) {
        constexpr std::uint32_t kFlows = 16'384;
        std::uint32_t taken = 0;
        for (std::uint32_t i = 0; i < kFlows; ++i) {
          Bytes packet{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 1, 0, 1, 0x9c, 0x40, 0x01, 0xbb};
          if (kind == 0) packet[22] = static_cast<std::uint8_t>(i >> 8), packet[23] = static_cast<std::uint8_t>(i);
          if (kind == 1) packet[18] = static_cast<std::uint8_t>(i >> 8), packet[19] = static_cast<std::uint8_t>(i);
          if (kind == 2) packet[12] = static_cast<std::uint8_t>(i >> 8), packet[21] = static_cast<std::uint8_t>(i);
          taken += support::sampled({1u << (32 - shift), seed}, kLinkTypeRaw, packet) ? 1 : 0;
        }
        const double share = 1.0 / (1 << shift);
        const double deviation = std::sqrt(kFlows * share * (1 - share));
        CHECK(std::abs(taken - kFlows * share) < 5 * deviation);
      }
    }
  }
}
