#include "core/bpf/address_maps.h"

#include <utility>

#include "core/bpf/address_locator.h"
#include "core/bpf/ebpf.h"
#include "core/bpf/ebpf_assembler.h"
#include "core/bpf/ebpf_program.h"
#include "core/bpf/locator_dispatch.h"

namespace ringtap {

using namespace ebpf;

namespace {

// On the stack, from kAddresses up: the key for a trie, which begins with the number of bits; the address in it is the
// key for a hash.
constexpr std::int16_t kLength = kAddresses;
constexpr std::int16_t kAddress = kAddresses + 4;
constexpr std::int16_t kStep = kAddresses + 20;   // distance from the first address to the second
constexpr std::int16_t kFlags = kAddresses + 24;  // combined flags of the addresses looked up so far
constexpr std::int16_t kKept = kAddresses + 28;   // saved R0

template <typename Bits>
void putAddress(std::vector<std::uint8_t>& keys, Bits address) {
  for (int shift = sizeof(Bits) * 8 - 8; shift >= 0; shift -= 8) {
    keys.push_back(static_cast<std::uint8_t>(address >> shift));
  }
}

struct Content {
  std::vector<std::uint8_t> keys;
  std::vector<std::uint32_t> values;
};

Result<> fill(UniqueFd& map, bool trie, std::size_t addressSize, const Content& content) {
  if (content.values.empty()) return {};
  const auto entries = static_cast<std::uint32_t>(content.values.size());
  const auto keySize = static_cast<std::uint32_t>(addressSize + (trie ? sizeof(std::uint32_t) : 0));
  auto made = trie ? createTrie(keySize, sizeof(std::uint32_t), entries)
                   : createFullHashMap(keySize, sizeof(std::uint32_t), entries);
  if (!made) return made.error();
  map = std::move(*made);
  return mapUpdateAll(map.get(), content.keys, keySize, content.values);
}

template <typename Bits>
Result<> fillFamily(const AddressSet::Family<Bits>& family, UniqueFd& singles, UniqueFd& prefixes) {
  Content single, wide;
  for (const auto& entry : family.entries) {
    const bool whole = entry.length == sizeof(Bits) * 8;
    Content& to = whole ? single : wide;
    if (!whole) {
      const std::uint32_t length = entry.length;
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(&length);
      to.keys.insert(to.keys.end(), bytes, bytes + sizeof length);
    }
    putAddress(to.keys, entry.first);
    to.values.push_back(entry.flags);
  }
  if (auto filled = fill(singles, false, sizeof(Bits), single); !filled) return filled;
  return fill(prefixes, true, sizeof(Bits), wide);
}

std::optional<int> number(const UniqueFd& fd) { return fd ? std::optional<int>(fd.get()) : std::nullopt; }

class AddressCheck {
 public:
  AddressCheck(const AddressMapFds& maps, std::vector<bpf_insn>& code, std::vector<std::size_t>& refuse)
      : maps_(maps), code_(code), out_(code), refuse_(refuse) {}

  Result<> append(std::uint8_t ordinal) {
    out_.store32(kKept, R0);
    if (auto located = appendLocators(locators(), ordinal, kNoAddresses, code_); !located) return located;
    leave(out_.jump32(BPF_JEQ, R0, kNoAddresses));
    out_.copy32(R7, R0);
    out_.emit(BPF_ALU | BPF_RSH | BPF_K, R7, 0, 0, 2);
    out_.emit(BPF_ALU | BPF_AND | BPF_K, R0, 0, 0, kAddressesKind);
    if (maps_.including) out_.emit(BPF_ST | BPF_MEM | BPF_W, R10, 0, kFlags, 0);
    const std::size_t six = out_.jump32(BPF_JEQ, R0, kAddressesIp6);
    if (!search4() || !out_.land(six) || !search6()) return tooFar();
    for (const std::size_t from : passed_) {
      if (!out_.land(from)) return tooFar();
    }
    out_.load32(R0, R10, kKept);
    return {};
  }

 private:
  // The jump is taken by a packet none of whose addresses is in any set.
  void leave(std::size_t jump) { (maps_.including ? refuse_ : passed_).push_back(jump); }

  // The first address is at R7; R0 is the kind of addresses.
  bool search4() {
    if (!maps_.addresses4 && !maps_.prefixes4) {
      leave(out_.jumpAlways());
      return true;
    }
    out_.set(R1, kAddressStep[kAddressesIp4]);
    const std::size_t plain = out_.jump32(BPF_JNE, R0, kAddressesArp);
    out_.set(R1, kAddressStep[kAddressesArp]);
    if (!out_.land(plain)) return false;
    out_.store32(kStep, R1);
    if (!look(maps_.addresses4, maps_.prefixes4, 1, 0)) return false;
    out_.load32(R1, R10, kStep);
    out_.emit(BPF_ALU | BPF_ADD | BPF_X, R7, R1, 0, 0);
    if (!look(maps_.addresses4, maps_.prefixes4, 1, 0)) return false;
    conclude();
    passed_.push_back(out_.jumpAlways());
    return true;
  }

  bool search6() {
    if (!maps_.addresses6 && !maps_.prefixes6) {
      leave(out_.jumpAlways());
      return true;
    }
    if (!look(maps_.addresses6, maps_.prefixes6, 4, 0)) return false;
    if (!look(maps_.addresses6, maps_.prefixes6, 4, kAddressStep[kAddressesIp6])) return false;
    conclude();
    return true;
  }

  // Looks up the address of `words` words at R7 + `offset`; refuses the packet if the address is excluded.
  bool look(std::optional<int> singles, std::optional<int> prefixes, std::uint32_t words, std::uint32_t offset) {
    for (std::uint32_t word = 0; word < words; ++word) {
      out_.emit(BPF_LD | BPF_W | BPF_IND, 0, R7, 0, static_cast<std::int32_t>(offset + 4 * word));
      out_.emit(BPF_ALU | BPF_END | BPF_TO_BE, R0, 0, 0, 32);
      out_.store32(static_cast<std::int16_t>(kAddress + static_cast<int>(4 * word)), R0);
    }
    std::optional<std::size_t> found, unknown;
    if (singles) {
      out_.lookup(*singles, kAddress);
      (prefixes ? found : unknown) = out_.jump(prefixes ? BPF_JNE : BPF_JEQ, R0, 0);
    }
    if (prefixes) {
      out_.emit(BPF_ST | BPF_MEM | BPF_W, R10, 0, kLength, static_cast<std::int32_t>(32 * words));
      out_.lookup(*prefixes, kLength);
      unknown = out_.jump(BPF_JEQ, R0, 0);
    }
    if (found && !out_.land(*found)) return false;
    out_.load32(R1, R0, 0);
    refuse_.push_back(out_.jump32(BPF_JSET, R1, kAddressExcluded));
    if (maps_.including) {
      out_.load32(R0, R10, kFlags);
      out_.emit(BPF_ALU | BPF_OR | BPF_X, R0, R1, 0, 0);
      out_.store32(kFlags, R0);
    }
    return !unknown || out_.land(*unknown);
  }

  void conclude() {
    if (!maps_.including) return;
    out_.load32(R0, R10, kFlags);
    refuse_.push_back(out_.jump32(BPF_JEQ, R0, 0));
  }

  const AddressMapFds& maps_;
  std::vector<bpf_insn>& code_;
  Assembler out_;
  std::vector<std::size_t>& refuse_;
  std::vector<std::size_t> passed_;
};

}  // namespace

Result<AddressMaps> AddressMaps::create(const AddressSet& addresses) {
  AddressMaps maps;
  maps.including_ = addresses.including();
  if (auto filled = fillFamily(addresses.v4(), maps.addresses4_, maps.prefixes4_); !filled) return filled.error();
  if (auto filled = fillFamily(addresses.v6(), maps.addresses6_, maps.prefixes6_); !filled) return filled.error();
  return maps;
}

AddressMapFds AddressMaps::fds() const {
  return {including_, number(addresses4_), number(prefixes4_), number(addresses6_), number(prefixes6_)};
}

Result<> appendAddressCheck(const AddressMapFds& maps, std::uint8_t ordinal, std::vector<bpf_insn>& code,
                            std::vector<std::size_t>& refuse) {
  return AddressCheck(maps, code, refuse).append(ordinal);
}

}  // namespace ringtap
