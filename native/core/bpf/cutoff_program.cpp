#include "core/bpf/cutoff_program.h"

#include <cstddef>
#include <utility>

#include "core/bpf/connection_locator.h"
#include "core/bpf/locator_dispatch.h"

namespace ringtap {

using namespace ebpf;

namespace {

// On the stack, from kCutoff up.
constexpr std::int16_t kKept = kCutoff;           // saved R0
constexpr std::int16_t kFlags = kCutoff + 4;      // the byte of the TCP header that has the flags
constexpr std::int16_t kFresh = kCutoff + 8;      // a CutoffFlow
constexpr std::int16_t kFragment = kCutoff + 32;  // a FragmentKey
static_assert(kFresh + static_cast<int>(sizeof(CutoffFlow)) == kFragment);
static_assert(kFragment + static_cast<int>(sizeof(FragmentKey)) == kConnections);

// The key is made where the locator leaves it.
constexpr std::int16_t wordAt(std::size_t word) {
  return static_cast<std::int16_t>(kMemory + 4 * (kConnectionMemory + static_cast<int>(word)));
}
constexpr std::int16_t kMapKey = wordAt(0);
static_assert(wordAt(kCutoffVersion) == -4);
constexpr std::size_t kAddressWord = 2;

constexpr std::int16_t kNetwork = kMemory + 4 * static_cast<int>(kNetworkMemory);
constexpr std::int16_t kTransport = kMemory + 4 * static_cast<int>(kTransportMemory);

constexpr std::int16_t fragmentField(std::size_t offset) {
  return static_cast<std::int16_t>(kFragment + static_cast<int>(offset));
}

// Where the headers of an IP version have what identifies a fragmented packet, from the network header on.
struct Version {
  std::uint32_t number;
  std::uint32_t addresses;
  std::int32_t addressBytes;
  std::uint32_t id;
  std::int32_t idBytes;
};
constexpr Version kIp4{4, 12, 8, 4, 2};
constexpr Version kIp6{6, 8, 32, 44, 4};  // a fragment header that follows directly
constexpr std::int32_t kProtocol4 = 9;
constexpr std::int32_t kFlags4 = 6;
constexpr std::int32_t kMoreFragments4 = 0x20;
constexpr std::int32_t kNextHeader6 = 6;
constexpr std::int32_t kFragmentHeader6 = 44;
// An offset at which no packet has bytes.
constexpr std::int32_t kNowhere = 0x0fff'ffff;

constexpr std::int32_t kTcpFlagsOffset = 13;
constexpr std::int32_t kFinSynRst = 0x07;

class CutoffWriter {
 public:
  CutoffWriter(const CutoffSettings& settings, std::vector<bpf_insn>& code, std::vector<std::size_t>& refuse)
      : settings_(settings), code_(code), out_(code), refuse_(refuse) {}

  Result<> write(std::uint8_t ordinal) {
    out_.store32(kKept, R0);
    if (auto located = appendLocators(connectionLocators(), ordinal, kNoConnection, code_); !located) return located;
    if (!laterFragments() || !keys()) return tooFar();
    for (const std::size_t from : keyed_) {
      if (!out_.land(from)) return tooFar();
    }
    if (!marks() || !count() || !beyond()) return tooFar();
    for (const std::size_t from : passed_) {
      if (!out_.land(from)) return tooFar();
    }
    out_.load32(R0, R10, kKept);
    return {};
  }

 private:
  // Gives a later fragment the key of the first one.
  [[nodiscard]] bool laterFragments() {
    for (const auto& [result, version] : {std::pair{kLaterFragment4, kIp4}, std::pair{kLaterFragment6, kIp6}}) {
      const std::size_t other = out_.jump32(BPF_JNE, R0, static_cast<std::int32_t>(result));
      makeFragmentKey(version);
      out_.lookup(settings_.maps.fragments, kFragment);
      passed_.push_back(out_.jump(BPF_JEQ, R0, 0));
      for (std::size_t word = 0; word <= kCutoffVersion; ++word) {
        out_.load32(R1, R0, static_cast<std::int16_t>(4 * word));
        out_.store32(wordAt(word), R1);
      }
      out_.emit(BPF_ST | BPF_MEM | BPF_W, R10, 0, kTransport, kNowhere);
      keyed_.push_back(out_.jumpAlways());
      if (!out_.land(other)) return false;
    }
    return true;
  }

  // Makes a FragmentKey at kFragment. A packet that is too short passes.
  void makeFragmentKey(const Version& version) {
    for (std::size_t at = 0; at < sizeof(FragmentKey); at += 8) {
      out_.emit(BPF_ST | BPF_MEM | BPF_DW, R10, 0, fragmentField(at), 0);
    }
    if (settings_.perInterface) {
      out_.context(R1, offsetof(__sk_buff, ifindex));
      out_.store32(fragmentField(offsetof(FragmentKey, interface)), R1);
    }
    out_.emit(BPF_ST | BPF_MEM | BPF_W, R10, 0, fragmentField(offsetof(FragmentKey, version)),
              static_cast<std::int32_t>(version.number));
    copyBytes(version.id, version.idBytes, fragmentField(offsetof(FragmentKey, id)));
    passed_.push_back(out_.jump(BPF_JNE, R0, 0));
    copyBytes(version.addresses, version.addressBytes, fragmentField(offsetof(FragmentKey, addresses)));
    passed_.push_back(out_.jump(BPF_JNE, R0, 0));
    if (version.number != kIp4.number) return;
    copyBytes(kProtocol4, 1, fragmentField(offsetof(FragmentKey, protocol)));
    passed_.push_back(out_.jump(BPF_JNE, R0, 0));
  }

  // Copies bytes of the packet, from the network header on, to the stack. R0 = 0, or nonzero if it is too short.
  void copyBytes(std::uint32_t from, std::int32_t count, std::int16_t to) {
    out_.load32(R2, R10, kNetwork);
    out_.emit(BPF_ALU | BPF_ADD | BPF_K, R2, 0, 0, static_cast<std::int32_t>(from));
    loadBytes(count, to);
  }

  // R2 = the offset in the packet.
  void loadBytes(std::int32_t count, std::int16_t to) {
    out_.copy64(R1, R6);
    out_.copy64(R3, R10);
    out_.emit(BPF_ALU64 | BPF_ADD | BPF_K, R3, 0, 0, to);
    out_.set(R4, static_cast<std::uint32_t>(count));
    out_.call(BPF_FUNC_skb_load_bytes);
  }

  // If the packet is the first fragment, later ones will find the key, which is complete except the interface.
  [[nodiscard]] bool rememberFragment(const Version& version) {
    const bool six = version.number == kIp6.number;
    copyBytes(static_cast<std::uint32_t>(six ? kNextHeader6 : kFlags4), 1, kFlags);
    passed_.push_back(out_.jump(BPF_JNE, R0, 0));
    out_.emit(BPF_LDX | BPF_MEM | BPF_B, R1, R10, kFlags, 0);
    const std::size_t first =
        six ? out_.jump32(BPF_JEQ, R1, kFragmentHeader6) : out_.jump32(BPF_JSET, R1, kMoreFragments4);
    keyed_.push_back(out_.jumpAlways());
    if (!out_.land(first)) return false;
    makeFragmentKey(version);
    out_.emit(BPF_ST | BPF_MEM | BPF_W, R10, 0, wordAt(kCutoffInterface), 0);
    out_.mapAndKey(settings_.maps.fragments, kFragment);
    out_.copy64(R3, R10);
    out_.emit(BPF_ALU64 | BPF_ADD | BPF_K, R3, 0, 0, kMapKey);
    out_.set(R4, BPF_ANY);
    out_.call(BPF_FUNC_map_update_elem);
    keyed_.push_back(out_.jumpAlways());
    return true;
  }

  // Completes the key, except the interface.
  [[nodiscard]] bool keys() {
    const std::size_t six = out_.jump32(BPF_JNE, R0, kConnection4);
    for (std::size_t word = kConnectionWords4; word < kConnectionWords6; word += 2) {
      out_.emit(BPF_ST | BPF_MEM | BPF_DW, R10, 0, wordAt(word), 0);
    }
    if (!order(1, kIp4) || !rememberFragment(kIp4) || !out_.land(six)) return false;
    passed_.push_back(out_.jump32(BPF_JNE, R0, kConnection6));
    return order(4, kIp6) && rememberFragment(kIp6);
  }

  // Stores the IP version. If the ports are equal, puts the lower address first: both have `words` words.
  [[nodiscard]] bool order(std::size_t words, const Version& version) {
    out_.emit(BPF_ST | BPF_MEM | BPF_W, R10, 0, wordAt(kCutoffVersion), static_cast<std::int32_t>(version.number));
    std::vector<std::size_t> done;
    const auto pair = [&](std::size_t word) {
      out_.load32(R1, R10, wordAt(kAddressWord + word));
      out_.load32(R2, R10, wordAt(kAddressWord + words + word));
    };
    out_.load32(R1, R10, wordAt(1));
    out_.copy32(R2, R1);
    out_.emit(BPF_ALU | BPF_RSH | BPF_K, R1, 0, 0, 16);
    out_.emit(BPF_ALU | BPF_AND | BPF_K, R2, 0, 0, 0xffff);
    done.push_back(compare(BPF_JNE));
    std::vector<std::size_t> swap;
    for (std::size_t word = 0; word < words; ++word) {
      pair(word);
      done.push_back(compare(BPF_JLT));
      swap.push_back(compare(BPF_JGT));
    }
    done.push_back(out_.jumpAlways());
    for (const std::size_t from : swap) {
      if (!out_.land(from)) return false;
    }
    for (std::size_t word = 0; word < words; ++word) {
      pair(word);
      out_.store32(wordAt(kAddressWord + word), R2);
      out_.store32(wordAt(kAddressWord + words + word), R1);
    }
    for (const std::size_t from : done) {
      if (!out_.land(from)) return false;
    }
    return true;
  }

  // A jump on the comparison of R1 with R2.
  [[nodiscard]] std::size_t compare(std::uint8_t op) {
    out_.emit(BPF_JMP32 | op | BPF_X, R1, R2, 0, 0);
    return out_.last();
  }

  [[nodiscard]] bool marks() {
    out_.emit(BPF_ST | BPF_MEM | BPF_W, R10, 0, wordAt(kCutoffInterface), 0);
    out_.lookup(settings_.maps.marks, kMapKey);
    const std::size_t unmarked = out_.jump(BPF_JEQ, R0, 0);
    out_.load32(R1, R0, 0);
    beyond_.push_back(out_.jump32(BPF_JEQ, R1, static_cast<std::int32_t>(CutoffMark::Bypass)));
    passed_.push_back(out_.jumpAlways());
    return out_.land(unmarked);
  }

  // Counts the packet if it passes.
  [[nodiscard]] bool count() {
    if (settings_.perInterface) {
      out_.context(R1, offsetof(__sk_buff, ifindex));
      out_.store32(wordAt(kCutoffInterface), R1);
    }
    out_.call(BPF_FUNC_ktime_get_ns);
    out_.copy64(R7, R0);
    out_.lookup(settings_.maps.flows, kMapKey);
    const std::size_t known = out_.jump(BPF_JNE, R0, 0);
    enter();
    if (!out_.land(known) || !begin()) return false;
    limit(offsetof(CutoffFlow, bytes), settings_.options.bytes);
    limit(offsetof(CutoffFlow, packets), settings_.options.packets);
    out_.context(R1, offsetof(__sk_buff, len));
    out_.emit(BPF_STX | BPF_XADD | BPF_DW, R0, R1, offsetof(CutoffFlow, bytes), 0);
    out_.increment(R0, offsetof(CutoffFlow, packets));
    passed_.push_back(out_.jumpAlways());
    return true;
  }

  // The first packet of a connection. R0 = the entry that another processor has made meanwhile.
  void enter() {
    const auto field = [&](std::size_t offset) { return static_cast<std::int16_t>(kFresh + static_cast<int>(offset)); };
    out_.context(R1, offsetof(__sk_buff, len));
    out_.emit(BPF_STX | BPF_MEM | BPF_DW, R10, R1, field(offsetof(CutoffFlow, bytes)), 0);
    out_.emit(BPF_ST | BPF_MEM | BPF_DW, R10, 0, field(offsetof(CutoffFlow, packets)), 1);
    out_.emit(BPF_STX | BPF_MEM | BPF_DW, R10, R7, field(offsetof(CutoffFlow, last)), 0);
    out_.mapAndKey(settings_.maps.flows, kMapKey);
    out_.copy64(R3, R10);
    out_.emit(BPF_ALU64 | BPF_ADD | BPF_K, R3, 0, 0, kFresh);
    out_.set(R4, BPF_NOEXIST);
    out_.call(BPF_FUNC_map_update_elem);
    passed_.push_back(out_.jump(BPF_JEQ, R0, 0));
    out_.lookup(settings_.maps.flows, kMapKey);
    passed_.push_back(out_.jump(BPF_JEQ, R0, 0));
  }

  // Begins again after a pause. R0 = the entry, R7 = now. Another processor's time may be a little later than this one.
  [[nodiscard]] bool begin() {
    out_.emit(BPF_LDX | BPF_MEM | BPF_DW, R1, R0, offsetof(CutoffFlow, last), 0);
    out_.emit(BPF_STX | BPF_MEM | BPF_DW, R0, R7, offsetof(CutoffFlow, last), 0);
    out_.emit(BPF_ALU64 | BPF_SUB | BPF_X, R7, R1, 0, 0);
    out_.set64(R2, settings_.options.idleNanoseconds);
    out_.emit(BPF_JMP | BPF_JSLE | BPF_X, R7, R2, 0, 0);
    const std::size_t going = out_.last();
    out_.emit(BPF_ST | BPF_MEM | BPF_DW, R0, 0, offsetof(CutoffFlow, bytes), 0);
    out_.emit(BPF_ST | BPF_MEM | BPF_DW, R0, 0, offsetof(CutoffFlow, packets), 0);
    return out_.land(going);
  }

  void limit(std::size_t field, std::uint64_t max) {
    if (max == 0) return;
    out_.emit(BPF_LDX | BPF_MEM | BPF_DW, R1, R0, static_cast<std::int16_t>(field), 0);
    out_.set64(R2, max);
    out_.emit(BPF_JMP | BPF_JGE | BPF_X, R1, R2, 0, 0);
    beyond_.push_back(out_.last());
  }

  [[nodiscard]] bool beyond() {
    for (const std::size_t from : beyond_) {
      if (!out_.land(from)) return false;
    }
    out_.load32(R1, R10, wordAt(0));
    const std::size_t other = out_.jump32(BPF_JNE, R1, kProtocolTcp);
    out_.load32(R2, R10, kTransport);
    out_.emit(BPF_ALU | BPF_ADD | BPF_K, R2, 0, 0, kTcpFlagsOffset);
    loadBytes(1, kFlags);
    const std::size_t cut = out_.jump(BPF_JNE, R0, 0);
    out_.emit(BPF_LDX | BPF_MEM | BPF_B, R1, R10, kFlags, 0);
    passed_.push_back(out_.jump32(BPF_JSET, R1, kFinSynRst));
    if (!out_.land(other) || !out_.land(cut)) return false;
    out_.lookup(settings_.maps.slots, kKey);
    refuse_.push_back(out_.jump(BPF_JEQ, R0, 0));
    out_.increment(R0, offsetof(CutoffSlot, beyond));
    refuse_.push_back(out_.jumpAlways());
    return true;
  }

  const CutoffSettings& settings_;
  std::vector<bpf_insn>& code_;
  Assembler out_;
  std::vector<std::size_t>& refuse_;
  std::vector<std::size_t> keyed_;  // jumps to where the key is complete except the interface
  std::vector<std::size_t> passed_, beyond_;
};

}  // namespace

Result<> appendCutoff(const CutoffSettings& settings, std::uint8_t ordinal, std::vector<bpf_insn>& code,
                      std::vector<std::size_t>& refuse) {
  return CutoffWriter(settings, code, refuse).write(ordinal);
}

}  // namespace ringtap
