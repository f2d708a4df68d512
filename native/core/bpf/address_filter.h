// The address sets of a capture, excludeHosts and includeHosts, compiled for both modes of the filter.
//
// A packet passes as by the pcap filter `(include-set) and not (exclude-set)`, each set being `host … or net … or …`,
// but that VLAN tags in the bytes are looked through. So what has no address passes an exclude set and not an include
// set. A packet too short for its addresses has none.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/bpf/address_maps.h"
#include "core/bpf/address_set.h"
#include "core/bpf/filter_instruction.h"
#include "core/util/result.h"

namespace ringtap {

inline constexpr std::size_t kMaxAddresses = 100'000;  // of one set, as given

// What the user gave. Entries are separated by newlines; none where a set is not given.
struct AddressLists {
  struct List {
    std::string text;
    std::string label;  // the option, for messages
  };
  List exclude{{}, "excludeHosts"};
  List include{{}, "includeHosts"};
};

class AddressFilter {
 public:
  // Checks and compiles; off the event loop: 100 000 addresses take some 100 ms, most of it for the maps. Null where
  // both sets are empty. `maps`: make the kernel maps, too. The kernel may refuse them: maps() then returns the error.
  //
  // Option: an entry is not what parsePrefix takes, or there are too many.
  [[nodiscard]] static Result<std::shared_ptr<const AddressFilter>> create(const AddressLists& lists, bool maps);
  AddressFilter(AddressSet addresses, bool maps, std::string option = {});

  [[nodiscard]] const AddressSet& addresses() const { return addresses_; }

  // The part of a classic program (address_program.h); FilterTooLarge where it has more than `room` instructions: says
  // how many addresses would fit, and what helps.
  [[nodiscard]] Result<std::span<const FilterInstruction>> classic(std::size_t room) const;
  // The maps, or the error with which they were refused.
  [[nodiscard]] Result<AddressMapFds> maps() const;

  // User space's verdict. Where the bytes are cut so short that they do not tell, false: no packet is delivered that
  // the sets may refuse.
  [[nodiscard]] bool accepts(std::uint16_t linkType, std::span<const std::uint8_t> bytes,
                             std::uint32_t originalLength) const;

 private:
  AddressSet addresses_;
  std::string option_;                    // for messages
  std::optional<FilterProgram> classic_;  // nothing where no program could hold it
  Result<AddressMaps> maps_;
};

}  // namespace ringtap
