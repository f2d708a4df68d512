// Address sets in the eBPF mode of the filter: kernel maps, and the instructions that look addresses up in them.
#pragma once

#include <linux/bpf.h>

#include <optional>
#include <vector>

#include "core/bpf/address_set.h"
#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

// Descriptors; nothing where the sets have nothing of the kind. The values are flags (u32, see AddressSet::Entry). A
// single address is in a hash, which is several times faster than a trie; what is in no hash is looked up in the trie.
struct AddressMapFds {
  bool including = false;  // as AddressSet's
  std::optional<int> addresses4{}, prefixes4{}, addresses6{}, prefixes6{};
};

class AddressMaps {
 public:
  // Makes and fills the maps: some 100 ms for 100 000 addresses. Kernels before 5.11 charge the memory, about 100 bytes
  // an address, to RLIMIT_MEMLOCK, and answer EPERM where that is too low.
  [[nodiscard]] static Result<AddressMaps> create(const AddressSet& addresses);

  [[nodiscard]] AddressMapFds fds() const;

 private:
  bool including_ = false;
  UniqueFd addresses4_, prefixes4_, addresses6_, prefixes6_;
};

// Appends the check of a packet whose context is in R6: goes on at the end of what was appended where the sets let it
// pass, and takes one of the jumps added to `refuse` where not. R0, R6, R8 and R9 are kept, and the stack but for the
// words of M[] and the 32 bytes at kAddresses. `ordinal`: a register, R1 to R5, that holds the ordinal of the device's
// link type (core/util/link_type.h).
Result<> appendAddressCheck(const AddressMapFds& maps, std::uint8_t ordinal, std::vector<bpf_insn>& code,
                            std::vector<std::size_t>& refuse);

}  // namespace ringtap
