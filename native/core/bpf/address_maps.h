// Address sets in the eBPF filter mode: kernel maps, and the instructions that look addresses up in them.
#pragma once

#include <linux/bpf.h>

#include <optional>
#include <vector>

#include "core/bpf/address_set.h"
#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

// File descriptors; unset if the sets have no entry of the kind. The values are flags (u32, see AddressSet::Entry).
// Single addresses are in a hash, where a lookup is several times faster than in a trie; the trie is used if the hash
// has no entry.
struct AddressMapFds {
  bool including = false;  // as AddressSet's
  std::optional<int> addresses4{}, prefixes4{}, addresses6{}, prefixes6{};
};

class AddressMaps {
 public:
  // Creates and fills the maps: some 100 ms for 100 000 addresses. Kernels before 5.11 charge the memory, about 100
  // bytes per address, to RLIMIT_MEMLOCK and return EPERM if that is too low.
  [[nodiscard]] static Result<AddressMaps> create(const AddressSet& addresses);

  [[nodiscard]] AddressMapFds fds() const;

 private:
  bool including_ = false;
  UniqueFd addresses4_, prefixes4_, addresses6_, prefixes6_;
};

// Appends the check of a packet whose context is in R6. If the sets accept the packet, execution continues at the end
// of the appended code; otherwise it takes one of the jumps added to `refuse`. R0, R6, R8 and R9 are preserved, and the
// stack except the words of M[] and the 32 bytes at kAddresses. `ordinal`: a register, R1 to R5, with the ordinal of
// the device's link type (core/util/link_type.h).
Result<> appendAddressCheck(const AddressMapFds& maps, std::uint8_t ordinal, std::vector<bpf_insn>& code,
                            std::vector<std::size_t>& refuse);

}  // namespace ringtap
