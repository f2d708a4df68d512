// Parses the kernel's table of devices, and rejects other content.
#include "core/links/device_table.h"

#include <string>

#include "support/check.h"

using namespace ringtap;

namespace {

const std::string kHeader =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls\n";

}  // namespace

TEST(eachDeviceHasALine) {
  const auto lines = parseDeviceTable(kHeader +
                                      "    lo:  1408      22    0    0    0     0          0         0     1408 22 0\n"
                                      "eth0.1_long-nam:18446744073709551615 2 3 4 5 6 7 8 9 10\n");
  CHECK(lines && lines->size() == 2);
  if (!lines || lines->size() != 2) return;
  const DeviceLine& one = lines->at("eth0.1_long-nam");
  CHECK(one.errors == 3 && one.droppedAndMissed == 4 && one.fifo == 5);
  CHECK(lines->contains("lo"));
  CHECK(parseDeviceTable(kHeader)->empty());
}

TEST(otherTextIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("one\ntwo\n"), kHeader.substr(0, 80),
        kHeader + "eth0: 1 2 3 4 5 6 7 8", kHeader + "eth0 1 2 3 4 5 6 7 8\n", kHeader + ": 1 2 3 4 5\n",
        kHeader + "eth0: 1 2 3 4\n", kHeader + "eth0: 1 2 3 -4 5 6\n", kHeader + "\n"}) {
    CHECK(!parseDeviceTable(text));
  }
}

TEST(theRestComesFromAnEarlierReading) {
  const DeviceLosses earlier{.dropped = 10, .missed = 4, .errors = 1, .overruns = 2, .fifo = 3};
  const DeviceLine line{7, 21, 9};
  CHECK(line.completedWith(earlier) ==
        (DeviceLosses{.dropped = 17, .missed = 4, .errors = 7, .overruns = 2, .fifo = 9}));
  // The device was reset.
  CHECK((DeviceLine{0, 1, 0}.completedWith(earlier).dropped == 0));
}

TEST(aLineSufficesForSoftwareDevicesOnly) {
  InterfaceInfo info;
  CHECK(!lineSuffices(info));
  info.flags = 8;  // IFF_LOOPBACK
  CHECK(lineSuffices(info));
  info.flags = 1;
  for (const char* kind : {"veth", "bridge", "tun", "vlan"}) CHECK(lineSuffices(info = {.kind = kind}));
  for (const char* kind : {"bond", "team", "dsa", ""}) CHECK(!lineSuffices(info = {.kind = kind}));
}
