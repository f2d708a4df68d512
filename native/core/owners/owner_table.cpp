#include "core/owners/owner_table.h"

#include <algorithm>
#include <utility>

namespace ringtap {

namespace {

// Approximate bytes of a socket with its places in the indexes, and of a birth.
constexpr std::size_t kEntryBytes = 512;
constexpr std::size_t kBirthBytes = 96;
constexpr std::size_t kMaxBirths = 16384;

// A TCP connection sends and receives for so long after its socket has ended: TIME_WAIT (net/ipv4/tcp_minisocks.c).
constexpr std::uint64_t kTimeWait = 60'000'000'000;

std::uint64_t after(const SocketEnds& ends) {
  return ends.protocol == IPPROTO_TCP && ends.remotePort != 0 ? kTimeWait : 0;
}

template <typename Entry>
bool sameOwners(const Entry& a, const Entry& b) {
  return a.holders == b.holders && a.maker == b.maker;
}

// Whether there was a moment at which both were open.
template <typename Entry>
bool concurrent(const Entry& a, const Entry& b) {
  return (b.ended == 0 || a.seen < b.ended) && (a.ended == 0 || b.seen < a.ended);
}

void addAll(std::vector<ProcessPointer>& into, const std::vector<ProcessPointer>& more) {
  for (const ProcessPointer& one : more) {
    if (std::find(into.begin(), into.end(), one) == into.end()) into.push_back(one);
  }
}

}  // namespace

// The socket with this cookie, if it is open or has ended since.
OwnerTable::Entry* OwnerTable::findSince(std::uint64_t cookie, std::uint64_t time) {
  if (const auto it = open_.find(cookie); it != open_.end()) return it->second.get();
  for (auto one = ended_.rbegin(); one != ended_.rend() && (*one)->ended >= time; ++one) {
    if ((*one)->cookie == cookie) return one->get();
  }
  return nullptr;
}

void OwnerTable::born(std::uint64_t cookie, std::uint64_t time, ProcessPointer maker) {
  // A list, and even the end, may have been faster: births are read in order, and one may still be being written.
  if (Entry* entry = findSince(cookie, time)) {
    entry->maker = std::move(maker);
    entry->earliest = std::max(entry->earliest, time);
    changes_.changed(entry->ends);
    return;
  }
  while (births_.size() >= kMaxBirths && !birthOrder_.empty()) {
    births_.erase(birthOrder_.front().cookie);
    birthOrder_.pop_front();
  }
  // What is left of sockets seen since is removed when it comes to the front, or becomes too much.
  const auto seen = [this](const BirthOrder& birth) { return !births_.contains(birth.cookie); };
  while (!birthOrder_.empty() && seen(birthOrder_.front())) birthOrder_.pop_front();
  if (birthOrder_.size() >= 2 * kMaxBirths) std::erase_if(birthOrder_, seen);
  if (births_.insert_or_assign(cookie, Birth{time, std::move(maker)}).second) birthOrder_.push_back({cookie, time});
}

OwnerTable::Entry* OwnerTable::add(std::uint32_t space, const SocketReport& report, std::uint64_t time) {
  while (bytes() + kEntryBytes > memory_ && !ended_.empty()) forgetOldest();
  if (bytes() + kEntryBytes > memory_) {
    ++refused_;
    return nullptr;
  }
  auto entry = std::make_unique<Entry>();
  entry->ends = report.ends;
  entry->cookie = report.cookie;
  entry->inode = report.inode;
  entry->space = space;
  entry->seen = entry->lastSeen = time;
  entry->listening = report.listening;
  entry->onlyV6 = report.onlyV6;
  if (const auto birth = births_.find(report.cookie); birth != births_.end()) {
    entry->earliest = birth->second.time;
    entry->maker = std::move(birth->second.maker);
    births_.erase(birth);
  }
  Entry* added = entry.get();
  index_[added->ends].push_back(added);
  changes_.changed(added->ends);
  open_[report.cookie] = std::move(entry);
  return added;
}

void OwnerTable::end(std::unique_ptr<Entry> entry, std::uint64_t time) {
  entry->ended = time;
  changes_.changed(entry->ends);
  ended_.push_back(std::move(entry));
}

void OwnerTable::seen(std::uint32_t space, const SocketReport& report, std::uint64_t time) {
  const auto it = open_.find(report.cookie);
  if (it == open_.end()) {
    // One that has ended while the list was read stays ended.
    if (findSince(report.cookie, time) == nullptr) (void)add(space, report, time);
    return;
  }
  Entry& entry = *it->second;
  if (entry.ends == report.ends && entry.space == space) {
    entry.lastSeen = time;
    entry.absent = 0;
    const std::uint32_t inode = report.inode != 0 ? report.inode : entry.inode;
    if (entry.listening != report.listening || entry.inode != inode) changes_.changed(entry.ends);
    entry.listening = report.listening;
    entry.inode = inode;
    return;
  }
  // It was bound, connected or disconnected since: another life of the same socket.
  std::unique_ptr<Entry> before = std::move(it->second);
  open_.erase(it);
  if (Entry* now = add(space, report, time)) {
    now->earliest = before->lastSeen;
    now->maker = before->maker;
    now->holders = before->holders;
    now->searched = before->searched;
  }
  end(std::move(before), time);
}

void OwnerTable::ended(std::uint32_t space, const SocketReport& report, std::uint64_t time) {
  auto it = open_.find(report.cookie);
  const bool known = it != open_.end() && it->second->ends == report.ends;
  if (!known && report.ends.localPort != 0) seen(space, report, time);
  it = open_.find(report.cookie);
  if (it == open_.end()) {
    births_.erase(report.cookie);
    return;
  }
  std::unique_ptr<Entry> entry = std::move(it->second);
  open_.erase(it);
  end(std::move(entry), time);
}

bool OwnerTable::awaits(std::uint64_t after, std::uint64_t until) const {
  // The latest come last, but for moments by which processors differ.
  for (auto birth = birthOrder_.rbegin(); birth != birthOrder_.rend() && birth->time > after; ++birth) {
    if (birth->time <= until && births_.contains(birth->cookie)) return true;
  }
  return false;
}

void OwnerTable::listed(std::uint32_t space, std::uint64_t time) {
  for (auto it = open_.begin(); it != open_.end();) {
    Entry& entry = *it->second;
    const bool gone = entry.space == space && entry.lastSeen < time && ++entry.absent >= 2;
    if (gone) end(std::move(it->second), time);
    it = gone ? open_.erase(it) : std::next(it);
  }
}

void OwnerTable::drop(std::uint32_t space, std::uint64_t time) {
  addresses_.erase(space);
  changes_.changedAll();
  for (auto it = open_.begin(); it != open_.end();) {
    const bool gone = it->second->space == space;
    if (gone) end(std::move(it->second), time);
    it = gone ? open_.erase(it) : std::next(it);
  }
}

std::vector<std::uint32_t> OwnerTable::inodes(bool all) const {
  std::vector<std::uint32_t> list;
  for (const auto& [cookie, entry] : open_) {
    if (entry->inode != 0 && (all || !entry->searched)) list.push_back(entry->inode);
  }
  return list;
}

std::size_t OwnerTable::bytes() const {
  return (open_.size() + ended_.size()) * kEntryBytes + births_.size() * kBirthBytes + others_;
}

void OwnerTable::forgetOldest() {
  const Entry* entry = ended_.front().get();
  if (const auto it = index_.find(entry->ends); it != index_.end()) {
    std::erase(it->second, entry);
    if (it->second.empty()) index_.erase(it);
  }
  changes_.changed(entry->ends);
  ended_.pop_front();
}

void OwnerTable::expire(std::uint64_t now, std::size_t others) {
  others_ = others;
  while (!ended_.empty() && (ended_.front()->ended + history_ < now || bytes() > memory_)) forgetOldest();
}

// Whether a packet of this time can be the socket's.
bool OwnerTable::mayBe(const Entry& entry, std::uint64_t time) const {
  return time >= entry.earliest && (entry.ended == 0 || time <= entry.ended + after(entry.ends));
}

// Whether a socket found by its port may receive what is sent to `ends.local`.
bool OwnerTable::receives(const Entry& entry, const SocketEnds& ends) const {
  if (entry.onlyV6 && isMapped(ends.local)) return false;
  if ((isLoopback(ends.local) || isLoopback(ends.remote)) && entry.space != kOwnSpace) return false;
  if (!isAny(entry.ends.local) || isLoopback(ends.local)) return true;
  const auto own = addresses_.find(entry.space);
  return own != addresses_.end() && own->second.contains(ends.local);
}

// The sockets with these ends that a packet with `ends` can belong to.
OwnerTable::Entries OwnerTable::candidates(const SocketEnds& key, const SocketEnds& ends, std::uint64_t time) const {
  Entries list;
  const auto found = index_.find(key);
  if (found == index_.end()) return list;
  for (const Entry* entry : found->second) {
    if (key.remotePort == 0 && key.protocol == IPPROTO_TCP && !entry->listening) continue;
    if (mayBe(*entry, time) && receives(*entry, ends)) list.push_back(entry);
  }
  return list;
}

// What a socket may be found by that has these ends: the connected one, and those that are bound to its address and
// port, to its port and any address of IPv4 (in the mapped form: of no socket of IPv6), or to its port alone.
std::array<SocketEnds, 4> OwnerTable::keysOf(const SocketEnds& ends) {
  const SocketEnds bound{.protocol = ends.protocol, .localPort = ends.localPort, .local = ends.local};
  std::array<SocketEnds, 4> keys{ends, bound, bound, bound};
  keys[2].local = kMapped;
  keys[3].local = OwnerAddress{};
  return keys;
}

// Those that are bound to the port alone: the most specific address first, as the kernel scores them (compute_score in
// net/ipv4/udp.c and inet_hashtables.c).
OwnerTable::Entries OwnerTable::unconnected(const SocketEnds& ends, std::uint64_t time) const {
  const std::array<SocketEnds, 4> keys = keysOf(ends);
  Entries list = candidates(keys[1], ends, time);
  if (!list.empty()) return list;
  if (isMapped(ends.local)) list = candidates(keys[2], ends, time);
  const Entries more = candidates(keys[3], ends, time);
  list.insert(list.end(), more.begin(), more.end());
  return list;
}

Ownership OwnerTable::ownersOf(const Entry& entry, std::uint64_t time) const {
  using Source = Ownership::Source;
  using Gap = Ownership::Gap;
  if (!entry.holders.empty()) return {Source::Holder, Gap::None, entry.space, entry.holders};
  if (entry.maker) return {Source::Maker, Gap::None, entry.space, {entry.maker}};
  if (entry.ends.protocol == IPPROTO_TCP && !entry.listening) {
    // An accepted connection that had ended before anybody looked.
    Entries listeners = unconnected(entry.ends, std::min(time, entry.ended == 0 ? time : entry.ended));
    std::erase_if(listeners, [&](const Entry* one) { return one->space != entry.space; });
    if (!listeners.empty()) return judge(listeners, time, true);
  }
  const bool may = entry.ended == 0 && entry.inode != 0 && !entry.searched;
  return {Source::None, may ? Gap::NotYet : Gap::Hidden, entry.space, {}};
}

Ownership OwnerTable::judge(const Entries& entries, std::uint64_t time, bool listeners) const {
  using Source = Ownership::Source;
  using Gap = Ownership::Gap;
  const Entry& first = *entries.front();
  for (const Entry* one : entries) {
    if (one->space != first.space) return {Source::None, Gap::Spaces, 0, {}};
    if (!sameOwners(*one, first) && !concurrent(*one, first)) return {Source::None, Gap::Reused, one->space, {}};
    // A socket with the same ends may have taken its place since.
    const bool late = one->ended != 0 && time > one->ended && time > swept_;
    if (late) return {Source::None, Gap::NotYet, one->space, {}};
    // One whose end was not reported may have had its place before.
    if (time < missed_ && time < one->seen && one->earliest == 0) return {Source::None, Gap::Reused, one->space, {}};
  }
  Ownership all;
  for (const Entry* one : entries) {
    Ownership owners = ownersOf(*one, time);
    if (owners.gap != Gap::None) return owners;
    if (all.source == Source::None) all = std::move(owners);
    else addAll(all.processes, owners.processes);
  }
  if (listeners) all.source = Source::Listener;
  return all;
}

Ownership OwnerTable::find(const SocketEnds& ends, std::uint64_t time) const {
  using Gap = Ownership::Gap;
  if (since_ == 0 || time < since_) return {};
  Entries found = candidates(ends, ends, time);
  if (!found.empty()) return judge(found, time, false);
  found = unconnected(ends, time);
  if (!found.empty()) return judge(found, time, ends.protocol == IPPROTO_TCP);
  Ownership none;
  if (time > swept_) none.gap = Gap::NotYet;
  return none;
}

// Every time that an answer compares the packet's with is one of these: see mayBe(), judge(), ownersOf() and find().
OwnerSpan OwnerTable::steadyAround(const SocketEnds& ends, std::uint64_t time) const {
  OwnerSpan span;
  for (const std::uint64_t moment : {since_, swept_, missed_}) span.cutAt(moment, time);
  for (const SocketEnds& key : keysOf(ends)) {
    const auto found = index_.find(key);
    if (found == index_.end()) continue;
    for (const Entry* entry : found->second) {
      span.cutAt(entry->earliest, time);
      span.cutAt(entry->seen, time);
      if (entry->ended == 0) continue;
      span.cutAt(entry->ended, time);
      span.cutAt(entry->ended + after(entry->ends), time);
    }
  }
  return span;
}

}  // namespace ringtap
