// The address sets of a capture, excludeHosts and includeHosts, compiled for both filter modes.
//
// The verdict is that of the pcap filter `(include-set) and not (exclude-set)`, each set being `host … or net … or …`,
// except that VLAN tags in the bytes are skipped. A packet without addresses therefore passes an exclude set and fails
// an include set. A packet too short to contain both addresses has none.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/bpf/address_maps.h"
#include "core/bpf/address_set.h"
#include "core/filter/filter_instruction.h"
#include "core/util/result.h"

namespace ringtap {

inline constexpr std::size_t kMaxAddresses = 100'000;  // per set, as entered

// The user's lists. Entries are separated by newlines; unset: no such set.
struct AddressLists {
  struct List {
    std::string text;
    std::string label;  // the option's name, for messages
  };
  List exclude{{}, "excludeHosts"};
  List include{{}, "includeHosts"};
};

class AddressFilter {
 public:
  // Checks and compiles the lists. Call it off the event loop: 100 000 addresses take some 100 ms, most of it for the
  // maps. Returns null if both sets are empty. `maps`: also create the kernel maps. If the kernel refuses them,
  // create() still succeeds and maps() returns the error.
  //
  // Option: parsePrefix rejects an entry, or there are too many.
  [[nodiscard]] static Result<std::shared_ptr<const AddressFilter>> create(const AddressLists& lists, bool maps);
  AddressFilter(AddressSet addresses, bool maps, std::string option = {});

  [[nodiscard]] const AddressSet& addresses() const { return addresses_; }

  // The address part of a classic program (address_program.h). FilterTooLarge if it is longer than `room` instructions;
  // the message states how many addresses would fit and how to fit more.
  [[nodiscard]] Result<std::span<const FilterInstruction>> classic(std::size_t room) const;
  // The maps, or the error of creating them.
  [[nodiscard]] Result<AddressMapFds> maps() const;

  // The verdict in user space. False if the packet was cut too short to decide: no packet is delivered that the sets
  // may refuse.
  [[nodiscard]] bool accepts(std::uint16_t linkType, std::span<const std::uint8_t> bytes,
                             std::uint32_t originalLength) const;

 private:
  AddressSet addresses_;
  std::string option_;                    // for messages
  std::optional<FilterProgram> classic_;  // unset if the set is too large for any program
  Result<AddressMaps> maps_;
};

}  // namespace ringtap
