// The assignment of rings to interfaces, and the fanout program that implements it in the kernel.
#include "core/capture/ring/ring_owners.h"

#include "core/filter/filter_interpreter.h"
#include "support/check.h"

using namespace ringtap;

namespace {

std::uint32_t ringOf(const RingOwners& owners, std::uint32_t interface) {
  const FilterProgram program = owners.program();
  CHECK(validateFilter(program).ok());
  PacketMetadata metadata;
  metadata.interfaceIndex = interface;
  return runFilter(program, {}, 0, metadata);
}

}  // namespace

TEST(allInterfacesShareARingAtFirst) {
  const RingOwners owners(3);
  CHECK(owners.changed());  // no program is attached yet
  for (const std::uint32_t interface : {0u, 1u, 7u, 0xffffffffu}) CHECK(ringOf(owners, interface) == 0);
}

TEST(ringsAreAssignedInTheOrderOfRequests) {
  RingOwners owners(3);
  owners.add(9);
  owners.add(4);
  owners.add(9);
  owners.add(6);
  CHECK(ringOf(owners, 9) == 1 && ringOf(owners, 4) == 2 && ringOf(owners, 6) == 0);
}

TEST(aFreeRingIsAssignedToTheNextInterface) {
  RingOwners owners(3);
  for (const std::uint32_t interface : {9u, 4u, 6u, 7u, 8u}) owners.add(interface);
  owners.remove(7);
  owners.remove(9);
  CHECK(ringOf(owners, 9) == 0 && ringOf(owners, 4) == 2 && ringOf(owners, 6) == 1 && ringOf(owners, 8) == 0);
  owners.remove(4);
  CHECK(ringOf(owners, 8) == 2 && ringOf(owners, 7) == 0);
  owners.remove(6);
  owners.add(5);
  CHECK(ringOf(owners, 5) == 1);
}

TEST(onlyAChangeOfOwnersIsReported) {
  RingOwners owners(2);
  owners.markInstalled();
  owners.remove(3);
  CHECK(!owners.changed());
  owners.add(3);
  CHECK(owners.changed());
  owners.markInstalled();
  owners.add(3);
  owners.add(5);  // waits for a free ring
  owners.remove(5);
  CHECK(!owners.changed());
  owners.remove(3);
  CHECK(owners.changed());
}

TEST(theLargestNumberOfRingsIsAssigned) {
  RingOwners owners(64);
  for (std::uint32_t interface = 1000; interface < 1100; ++interface) owners.add(interface);
  for (std::uint32_t interface = 1000; interface < 1100; ++interface) {
    CHECK(ringOf(owners, interface) == (interface < 1063 ? interface - 999 : 0));
  }
}
