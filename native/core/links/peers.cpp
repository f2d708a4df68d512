#include "core/links/peers.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <tuple>
#include <utility>

#include "core/links/netlink_socket.h"

namespace ringtap {

namespace {

constexpr int kAttempts = 5;

bool isPair(const InterfaceInfo& info) { return (info.kind == "veth" || info.kind == "netkit") && info.peerIndex != 0; }

// Whether the two are ends of one pair, as far as their indexes go.
bool areEnds(const InterfaceInfo& one, const InterfaceInfo& other) {
  return one.kind == other.kind && one.peerIndex == other.index && other.peerIndex == one.index;
}

bool matches(const PeerQuery& query, const InterfaceInfo& info) {
  if (query.index != 0) return info.index == query.index;
  const auto& others = info.alternativeNames;
  return info.name == query.name || std::find(others.begin(), others.end(), query.name) != others.end();
}

// `all`: every device of the namespace.
Result<std::vector<InterfaceInfo>> pairsOf(netlink::Requester& requester, const PeerQuery& query,
                                           std::vector<InterfaceInfo>& all) {
  auto snapshot = requester.snapshot();
  if (!snapshot) return std::move(snapshot.error());
  all = std::move(snapshot->links);
  std::vector<InterfaceInfo> pairs;
  bool found = query.all();
  for (const InterfaceInfo& info : all) {
    if (!query.all() && !matches(query, info)) continue;
    found = true;
    if (isPair(info)) pairs.push_back(info);
  }
  if (!found) {
    const std::string name = query.index != 0 ? "index " + std::to_string(query.index) : query.name;
    return Error{Code::NoInterface, "there is no interface " + name, 0, "", query.name};
  }
  std::sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
  return pairs;
}

bool same(const std::vector<InterfaceInfo>& before, const std::vector<InterfaceInfo>& after) {
  const auto key = [](const InterfaceInfo& info) {
    return std::tie(info.index, info.name, info.peerIndex, info.peerNetnsId);
  };
  return std::equal(before.begin(), before.end(), after.begin(), after.end(),
                    [&](const auto& a, const auto& b) { return key(a) == key(b); });
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// The name of the device with this index in a file of which each line is about a device. `format`: what sscanf takes
// the index and the name from.
std::string nameInFile(const std::string& path, const char* format, std::uint32_t index) {
  // Streams of the standard library would put its locales, 400 KB, into the prebuilt addons.
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "re"));
  if (!file) return {};
  char line[256];
  while (std::fgets(line, sizeof line, file.get()) != nullptr) {
    std::uint32_t number = 0;
    char name[16] = "";
    if (std::sscanf(line, format, &number, name) == 2 && number == index) return name;
  }
  return {};
}

// The name of the device with this index in the files of a process's network namespace, which everybody may read: they
// list the devices that have a multicast or IPv6 address. "": none.
std::string nameInFiles(const std::string& process, std::uint32_t index) {
  std::string name = nameInFile(process + "/net/dev_mcast", "%" SCNu32 " %15s", index);
  return name.empty() ? nameInFile(process + "/net/if_inet6", "%*s %" SCNx32 " %*s %*s %*s %15s", index) : name;
}

class Reading {
 public:
  Reading(netlink::Requester& requester, const NamespaceSources& sources, const std::vector<InterfaceInfo>& all,
          const FoundNamespaces& namespaces)
      : requester_(requester), sources_(sources), all_(all), namespaces_(namespaces) {}

  Peer peerOf(const InterfaceInfo& info) {
    Peer peer{.interface = info};
    if (info.peerNetnsId < 0) {
      // No id: it is here, or the kernel could not give its namespace one.
      const auto end = std::find_if(all_.begin(), all_.end(), [&](const auto& one) { return areEnds(info, one); });
      if (end != all_.end() && end->peerNetnsId < 0) {
        peer.place = Peer::Place::Here;
        peer.name = end->name;
      } else {
        peer.error = ENODEV;
      }
      return peer;
    }
    peer.place = Peer::Place::Elsewhere;
    auto far = requester_.linkIn(info.peerNetnsId, info.peerIndex);
    if (far) {
      accept(peer, *far);
    } else {
      peer.error = EPERM;
      if (const FoundNamespace* found = foundOf(info.peerNetnsId)) searchWithout(peer, *found);
    }
    return peer;
  }

 private:
  static void accept(Peer& peer, const std::optional<InterfaceInfo>& far) {
    const bool is = far && areEnds(peer.interface, *far);
    peer.name = is ? far->name : std::string();
    peer.error = is ? 0 : ENODEV;
  }

  const FoundNamespace* foundOf(std::int32_t id) const {
    const auto& list = namespaces_.list;
    const auto one = std::find_if(list.begin(), list.end(), [&](const auto& found) { return found.id == id; });
    return one == list.end() ? nullptr : &*one;
  }

  // Without CAP_NET_ADMIN.
  void searchWithout(Peer& peer, const FoundNamespace& found) const {
    std::string path;
    if (!found.paths.empty()) path = found.paths.front();
    else if (!found.pids.empty()) path = process(found.pids.front()) + "/ns/net";
    auto netns = Namespace::at(path);
    if (found.identity && netns && isSame(netns->identity(), found.identity)) {
      const auto far = inNamespace(std::make_shared<const Namespace>(std::move(*netns)),
                                   [&]() -> Result<std::optional<InterfaceInfo>> {
                                     auto within = netlink::Requester::open();
                                     if (!within) return std::move(within.error());
                                     return within->link(peer.interface.peerIndex);
                                   });
      if (far.ok()) return accept(peer, far.value());
    }
    for (const std::uint32_t pid : found.pids) {
      const std::string name = nameInFiles(process(pid), peer.interface.peerIndex);
      if (sources_.ownPids && requester_.namespaceIdOfProcess(pid) != found.id) continue;  // it has ended, or moved
      if (name.empty() && !sources_.ownPids) continue;
      peer.name = name;
      if (!name.empty()) peer.error = 0;
      return;
    }
  }

  [[nodiscard]] std::string process(std::uint32_t pid) const { return sources_.procfs + "/" + std::to_string(pid); }

  static bool isSame(const std::optional<Namespace::Identity>& a, const std::optional<Namespace::Identity>& b) {
    return a && b && a->device == b->device && a->inode == b->inode;
  }

  netlink::Requester& requester_;
  const NamespaceSources& sources_;
  const std::vector<InterfaceInfo>& all_;
  const FoundNamespaces& namespaces_;
};

}  // namespace

Result<Peers> readPeers(const NamespaceSources& sources, const PeerQuery& query) {
  auto requester = netlink::Requester::open();
  if (!requester) return std::move(requester.error());
  std::vector<InterfaceInfo> all;
  auto pairs = pairsOf(*requester, query, all);
  for (int attempt = 1;; ++attempt) {
    if (!pairs) return std::move(pairs.error());
    std::set<std::int32_t> wanted;
    for (const InterfaceInfo& info : *pairs) {
      if (info.peerNetnsId >= 0) wanted.insert(info.peerNetnsId);
    }
    Peers peers;
    if (!wanted.empty()) peers.namespaces = findNamespaces(*requester, wanted, sources);
    Reading reading(*requester, sources, all, peers.namespaces);
    for (const InterfaceInfo& info : *pairs) peers.list.push_back(reading.peerOf(info));
    auto now = pairsOf(*requester, query, all);
    if (!now) return std::move(now.error());
    if (same(*pairs, *now) || attempt == kAttempts) {
      if (auto own = Namespace::own()) peers.own = own->identity();
      return peers;
    }
    pairs = std::move(now);
  }
}

}  // namespace ringtap
