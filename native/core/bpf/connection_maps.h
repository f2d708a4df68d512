// Sets of connections in the eBPF filter mode: kernel maps, and the instructions that look a packet's connection up.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/bpf/connection_set.h"
#include "core/util/result.h"
#include "core/util/unique_fd.h"

struct bpf_insn;  // linux/bpf.h, which cannot be included together with libpcap's headers

namespace ringtap {

// Hashes of the connections' keys, as they are in M[]. Unset if there is no connection of that IP version.
struct ConnectionMapFds {
  std::optional<int> v4{}, v6{};
};

class ConnectionMaps {
 public:
  // Creates and fills the maps. Memory as of AddressMaps::create().
  [[nodiscard]] static Result<ConnectionMaps> create(const ConnectionSet& connections);

  [[nodiscard]] ConnectionMapFds fds() const;

 private:
  UniqueFd v4_, v6_;
};

// Appends the check of a packet whose context is in R6. For a packet of these connections it takes one of the jumps
// added to `refuse`; otherwise execution continues at the end of the appended code. R0, R6, R8 and R9 are preserved,
// and the stack except the words of M[] and the 8 bytes at kConnections. `ordinal`: as of appendAddressCheck().
Result<> appendConnectionCheck(const ConnectionMapFds& maps, std::uint8_t ordinal, std::vector<bpf_insn>& code,
                               std::vector<std::size_t>& refuse);

}  // namespace ringtap
