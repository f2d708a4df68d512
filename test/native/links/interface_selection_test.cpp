// What names and expressions select: cases that lib/interfaces/selection.ts must decide in the same way.
#include "core/links/interface_selection.h"

#include <net/if.h>

#include "support/check.h"

using namespace ringtap;

namespace {

InterfaceInfo named(const std::string& name, std::uint32_t flags = IFF_UP, std::vector<std::string> others = {}) {
  InterfaceInfo info;
  info.name = name;
  info.flags = flags;
  info.alternativeNames = std::move(others);
  return info;
}

bool selects(const std::vector<std::string>& include, const std::vector<std::string>& exclude, bool loopback,
             const InterfaceInfo& info) {
  const auto selection = InterfaceSelection::byPatterns(include, exclude, loopback);
  CHECK(selection.ok());
  return selection.ok() && selection.value().selects(info);
}

}  // namespace

TEST(namesAreExactAndMayBeAlternative) {
  const auto selection = InterfaceSelection::byNames({"eth0", "uplink", "lo"});
  CHECK(selection.selects(named("eth0")) && !selection.selects(named("eth00")) && !selection.selects(named("eth")));
  CHECK(selection.selects(named("enp3s0", 0, {"first", "uplink"})) && !selection.selects(named("enp3s0", 0, {"up"})));
  CHECK(selection.selects(named("lo", IFF_LOOPBACK)));
}

TEST(excludeWinsAndAnEmptyIncludeIsEverything) {
  CHECK(selects({}, {}, false, named("eth0")) && selects({}, {"^veth"}, false, named("eth0")));
  CHECK(!selects({}, {"^veth"}, false, named("veth0")));
  CHECK(selects({"^eth", "^en"}, {}, false, named("eno1")) && !selects({"^eth", "^en"}, {}, false, named("wlan0")));
  CHECK(selects({"eth7"}, {}, false, named("veth70")));
  CHECK(!selects({"eth"}, {"0$", "^v"}, false, named("eth0")) &&
        !selects({"eth"}, {"0$", "^v"}, false, named("veth1")));
  CHECK(selects({"eth"}, {"0$", "^v"}, false, named("eth1")));
  CHECK(!selects({"^up"}, {}, false, named("eth0", IFF_UP, {"uplink"})));  // patterns match the name only
}

TEST(loopbackIsByFlagAndNotByName) {
  CHECK(!selects({}, {}, false, named("dummy", IFF_LOOPBACK)) && selects({}, {}, false, named("lo")));
  CHECK(selects({}, {}, true, named("lo", IFF_LOOPBACK)) && !selects({"^eth"}, {}, true, named("lo", IFF_LOOPBACK)));
  CHECK(!selects({"lo"}, {}, false, named("lo", IFF_LOOPBACK)));
}

TEST(aBadPatternIsRefused) {
  for (const bool include : {true, false}) {
    const std::vector<std::string> bad{"^eth", "["};
    const auto selection = InterfaceSelection::byPatterns(include ? bad : std::vector<std::string>{},
                                                          include ? std::vector<std::string>{} : bad, false);
    CHECK(!selection.ok() && selection.error().code == Code::Pattern);
  }
}
