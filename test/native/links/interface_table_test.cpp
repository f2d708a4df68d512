// How each rtnetlink message changes the interface table, and that repeating it changes nothing.
#include "core/links/interface_table.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "support/check.h"

using namespace ringtap;

namespace {

using Events = InterfaceTable::Events;

InterfaceInfo device(std::uint32_t index, const std::string& name, const std::string& kind = "") {
  InterfaceInfo info;
  info.index = index;
  info.name = name;
  info.kind = kind;
  info.mtu = 1500;
  info.address = {2, 0, 0, 0, 0, static_cast<std::uint8_t>(index)};
  return info;
}

netlink::AddressMessage address(std::uint32_t index, std::uint8_t last, std::uint8_t scope = RT_SCOPE_UNIVERSE) {
  netlink::AddressMessage message;
  message.index = index;
  message.address.family = AF_INET;
  message.address.prefixLength = 24;
  message.address.scope = scope;
  message.address.bytes = {10, 0, 0, last};
  message.peer = message.address.bytes;
  return message;
}

template <typename Change>
Events eventsOf(Change change) {
  Events events;
  change(events);
  return events;
}

bool one(const Events& events, InterfaceChange change) { return events.size() == 1 && events[0].change == change; }

}  // namespace

TEST(changedCountersAloneAreNoChange) {
  InterfaceTable table;
  const DeviceLosses five{.dropped = 5};
  const DeviceLosses six{.dropped = 6};
  auto events = eventsOf([&](Events& out) { table.link(device(3, "eth0"), out, five); });
  CHECK(one(events, InterfaceChange::Added) && events[0].losses == five);
  CHECK(eventsOf([&](Events& out) { table.link(device(3, "eth0"), out, six); }).empty());
  events = eventsOf([&](Events& out) { table.link(device(3, "lan"), out, six); });
  CHECK(one(events, InterfaceChange::Renamed) && events[0].losses == six);
  events = eventsOf([&](Events& out) { table.linkGone(3, out, six); });
  CHECK(one(events, InterfaceChange::Removed) && events[0].losses == six);
  events = eventsOf([&](Events& out) { table.link(device(3, "eth0"), out); });
  CHECK(one(events, InterfaceChange::Added) && !events[0].losses);
}

TEST(devicesAppearChangeAndGo) {
  InterfaceTable table;
  auto events = eventsOf([&](Events& out) { table.link(device(3, "eth0"), out); });
  CHECK(one(events, InterfaceChange::Added) && events[0].current.generation == 1);
  CHECK(eventsOf([&](Events& out) { table.link(device(3, "eth0"), out); }).empty());

  InterfaceInfo up = device(3, "eth0");
  up.flags = 1;
  events = eventsOf([&](Events& out) { table.link(up, out); });
  CHECK(one(events, InterfaceChange::Changed) && events[0].previous.flags == 0 && events[0].current.flags == 1);
  CHECK(events[0].current.generation == 1);

  events = eventsOf([&](Events& out) { table.link(device(3, "lan"), out); });
  CHECK(one(events, InterfaceChange::Renamed) && events[0].previous.name == "eth0" && events[0].current.name == "lan");

  events = eventsOf([&](Events& out) { table.linkGone(3, out); });
  CHECK(one(events, InterfaceChange::Removed) && events[0].current.name == "lan");
  CHECK(eventsOf([&](Events& out) { table.linkGone(3, out); }).empty() && table.find(3) == nullptr);
}

TEST(anIndexThatIsUsedAgainIsAnotherDevice) {
  InterfaceTable table;
  Events events;
  table.link(device(3, "veth0", "veth"), events);
  table.linkGone(3, events);
  table.link(device(3, "veth0", "veth"), events);
  CHECK(events.size() == 3 && events[2].current.generation == 2);
  CHECK(table.takeDoubts() == std::vector<std::uint32_t>{3} && table.takeDoubts().empty());
  // Without a removal message, the kind reveals a new device.
  events = eventsOf([&](Events& out) { table.link(device(3, "veth0", "bridge"), out); });
  CHECK(events.size() == 2 && events[0].change == InterfaceChange::Removed);
  CHECK(events[1].change == InterfaceChange::Added && events[1].current.generation == 3);
}

TEST(theOrderOfAddressesDoesNotDependOnTheirArrival) {
  InterfaceTable forwards;
  InterfaceTable backwards;
  Events events;
  forwards.address(address(3, 1), events);
  CHECK(events.empty());  // there is no such device yet
  forwards.link(device(3, "eth0"), events);
  backwards.link(device(3, "eth0"), events);
  for (const std::uint8_t last : {1, 2, 3}) forwards.address(address(3, last), events);
  for (const std::uint8_t last : {3, 2, 1}) backwards.address(address(3, last), events);
  CHECK(forwards.find(3)->addresses.size() == 3);
  CHECK(forwards.find(3)->addresses == backwards.find(3)->addresses);
  CHECK(eventsOf([&](Events& out) { forwards.address(address(3, 2), out); }).empty());
  CHECK(one(eventsOf([&](Events& out) { forwards.addressGone(address(3, 2), out); }), InterfaceChange::Changed));
  CHECK(eventsOf([&](Events& out) { forwards.addressGone(address(3, 2), out); }).empty());
  // Addresses survive link messages, which carry none, and are removed with the device.
  CHECK(eventsOf([&](Events& out) { forwards.link(device(3, "eth0"), out); }).empty());
  forwards.linkGone(3, events);
  forwards.link(device(3, "eth0"), events);
  CHECK(forwards.find(3)->addresses.empty());
}

TEST(addressesThatDifferOnlyInThePeerAreListedOnce) {
  InterfaceTable table;
  Events events;
  table.link(device(3, "tun0"), events);
  auto other = address(3, 1);
  other.peer = {10, 0, 0, 99};
  table.address(address(3, 1), events);
  CHECK(eventsOf([&](Events& out) { table.address(other, out); }).empty());
  CHECK(eventsOf([&](Events& out) { table.addressGone(address(3, 1), out); }).empty());
  CHECK(table.find(3)->addresses.size() == 1);
  CHECK(one(eventsOf([&](Events& out) { table.addressGone(other, out); }), InterfaceChange::Changed));
}

TEST(aDumpWithoutNewsChangesNothing) {
  InterfaceTable table;
  Events events;
  table.replace({device(1, "lo"), device(2, "eth0")}, {address(2, 1), address(2, 2), address(9, 1)}, events);
  CHECK(events.size() == 2 && table.find(2)->addresses.size() == 2);
  CHECK(eventsOf([&](Events& out) {
          table.replace({device(2, "eth0"), device(1, "lo")}, {address(2, 2), address(2, 1)}, out);
        }).empty());
  events = eventsOf([&](Events& out) { table.replace({device(2, "lan"), device(4, "new")}, {}, out); });
  CHECK(events.size() == 3);
  CHECK(table.find(1) == nullptr && table.find(2)->name == "lan" && table.find(2)->addresses.empty());
  CHECK(table.find(2)->generation == 2 && table.find(4)->generation == 3);
}

TEST(aDumpDistinguishesADeviceFromTheNextOfItsIndex) {
  InterfaceTable table;
  Events events;
  table.replace({device(2, "eth0")}, {}, events);
  InterfaceInfo successor = device(2, "veth9");
  successor.address = {2, 9, 9, 9, 9, 9};
  events = eventsOf([&](Events& out) { table.replace({successor}, {}, out); });
  CHECK(events.size() == 2 && events[0].change == InterfaceChange::Removed);
  CHECK(events[1].change == InterfaceChange::Added && events[1].current.generation == 2);
}

TEST(peersReferToEachOther) {
  InterfaceTable table;
  Events events;
  CHECK(table.wantsPeer(device(5, "a", "veth")) && !table.wantsPeer(device(5, "a", "bridge")));
  table.link(device(5, "a", "veth"), events);
  CHECK(!table.wantsPeer(device(5, "a", "veth")));
  InterfaceInfo b = device(6, "b", "veth");
  b.peerIndex = 5;
  table.link(b, events);
  CHECK(table.find(5)->peerIndex == 6 && table.find(6)->peerIndex == 5);
  // A device being removed no longer reports its peer: the known peer is kept.
  CHECK(eventsOf([&](Events& out) { table.link(device(6, "b", "veth"), out); }).empty());
  table.linkGone(6, events);
  CHECK(table.takeDoubts() == std::vector<std::uint32_t>{5});
}
