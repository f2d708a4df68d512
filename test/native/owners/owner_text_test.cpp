// What is written of owners: names of processes and containers.
#include "core/owners/owner_text.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/owners/container_id.h"
#include "support/check.h"

using namespace ringtap;

namespace {

ProcessPointer process(std::uint32_t pid, std::string name, std::string cgroup = "0::/user.slice\n") {
  return std::make_shared<const ProcessRecord>(
      ProcessRecord{.id = pid, .pid = pid, .name = std::move(name), .cgroup = std::move(cgroup)});
}

Ownership owned(std::vector<ProcessPointer> processes) {
  return {Ownership::Source::Holder, Ownership::Gap::None, 0, std::move(processes)};
}

std::string repeated(const char* text) {
  std::string result;
  for (int i = 0; i < 32; ++i) result += text;
  return result;
}

const std::string kApp = repeated("a0"), kDocker = repeated("d0");

}  // namespace

TEST(both_ends_or_one_or_none) {
  const Ownership curl = owned({process(4711, "curl")}), nginx = owned({process(80, "nginx")});
  CHECK(ownersText(curl, nginx) == "curl(4711) > nginx(80)");
  CHECK(ownersText(curl, {}) == "curl(4711) >");
  CHECK(ownersText({}, nginx) == "> nginx(80)");
  CHECK(ownersText({}, {}).empty());
  const Ownership hidden{Ownership::Source::None, Ownership::Gap::Hidden, 0, {}};
  CHECK(ownersText(hidden, hidden).empty());
}

TEST(several_processes_by_pid_and_containers) {
  const Ownership shared =
      owned({process(81, "nginx", "0::/docker/" + kApp + "\n"), process(80, "nginx", "0::/docker/" + kApp + "\n")});
  CHECK(ownersText({}, shared) == "> a0a0a0a0a0a0/nginx(80),a0a0a0a0a0a0/nginx(81)");
  std::vector<ProcessPointer> many;
  for (std::uint32_t pid = 20; pid > 0; --pid) many.push_back(process(pid, "x"));
  CHECK(ownersText(owned(many), {}) == "x(1),x(2),x(3),x(4),x(5),x(6),x(7),x(8),+12 >");
}

TEST(names_are_one_line_of_utf8) {
  const auto text = [](std::string name) {
    const std::string whole = ownersText(owned({process(1, std::move(name))}), {});
    return whole.substr(0, whole.find("(1) >"));
  };
  CHECK(text("b\xc3\xa4r \xe2\x82\xac\xf0\x9f\x98\x80") == "b\xc3\xa4r \xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK(text("a\nb\x1b\x7f") == "a?b??");
  CHECK(text("\xc2\x9b") == "?");
  // Cut off after 15 bytes, as the kernel does; not the shortest form; a surrogate; beyond Unicode.
  CHECK(text("a\xe2\x82") == "a??");
  CHECK(text("\xc0\xaf") == "??");
  CHECK(text("\xe0\x80\xaf") == "???");
  CHECK(text("\xed\xa0\x80") == "???");
  CHECK(text("\xf4\x90\x80\x80") == "????");
}

// The same as in test/live/interfaces/peer-containers.test.ts.
TEST(control_groups_of_all_runtimes) {
  const std::string pod = "pod01234567_89ab_cdef_0123_456789abcdef";
  const std::string app = kApp.substr(0, 12);
  const std::pair<std::string, std::string> cases[] = {
      {"0::/user.slice/user-1000.slice/session-2.scope\n", ""},
      {"0::/\n", ""},
      {"", ""},
      {"broken", ""},
      {"11:memory:/docker/" + kApp + "\n1:name=systemd:/docker/" + kApp + "\n0::/system.slice/docker.service\n", app},
      {"0::/system.slice/docker-" + kApp + ".scope\n", app},
      {"0::/../docker-" + kApp + ".scope", app},
      {"0::/docker/" + kDocker + "/docker/" + kApp + "\n", app},
      {"0::/system.slice/containerd.service/kubepods-besteffort-" + pod + ".slice:cri-containerd:" + kApp + "\n", app},
      {"0::/kubepods/besteffort/" + pod + "/" + kApp + "\n", app},
      {"0::/kubepods.slice/kubepods-" + pod + ".slice/crio-" + kApp + ".scope\n", app},
      {"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kApp + ".scope/container\n", app},
      {"0::/libpod_parent/libpod-" + kApp + "\n", app},
      {"0::/machine.slice/libpod-conmon-" + kApp + ".scope\n", ""},
      {"0::/system.slice/nerdctl-" + kApp + ".scope\n", app},
      {"0::/lxc.payload.web1/init.scope\n", "web1"},
      {"0::/lxc.monitor.web1\n", ""},
      {"5:devices:/lxc/web1\n", "web1"},
      {"0::/machine.slice/machine-debian\\x2d12.scope/payload\n", "debian-12"},
      {"0::/machine.slice/systemd-nspawn@web.service/payload\n", "web"},
      {"0::/docker/" + kApp.substr(1) + "\n", ""},
      {"0::/docker/" + kApp + "0\n", ""},
  };
  for (const auto& [text, expected] : cases) CHECK(containerId(text) == expected);
}
