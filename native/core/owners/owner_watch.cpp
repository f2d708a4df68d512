#include "core/owners/owner_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/util/clock.h"

namespace ringtap {

namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
// Between two searches of all sockets' holders, which change when processes fork or hand sockets on.
constexpr std::uint64_t kSearchAgain = 5'000 * kMillisecond;
// For which a command line counts as read.
constexpr std::uint64_t kFresh = 1'000 * kMillisecond;
// How long a sweep goes on for the end of a socket that was made and is in no list: the kernel reports ends from a work
// queue, moments after it has taken the socket from its lists. A socket that is not bound or connected yet looks the
// same, and so does one of a namespace that is not read.
constexpr std::uint64_t kReportDelay = 100 * kMillisecond;
// The parts of the time that sweeps may take: one in five if they are asked for, one in ten otherwise.
constexpr std::uint64_t kRestAsked = 4;
constexpr std::uint64_t kRest = 9;

// The clocks are read in this order so that the result is never late: no packet is before the birth of its socket.
std::uint64_t toReal(std::uint64_t monotonic) {
  const std::uint64_t real = realNow();
  return real - (monotonicNow() - monotonic);
}

// Whether the process ids in a procfs are those of the initial pid namespace, which eBPF programs see: this process is
// in that namespace and finds itself there, or the procfs shows the namespace of its first process.
bool hasInitialPids(const std::string& procfs) {
  constexpr ino_t initial = 0xeffffffc;  // PROC_PID_INIT_INO (linux/proc_ns.h)
  struct stat status {};
  char self[16] = "";
  if (::readlink((procfs + "/self").c_str(), self, sizeof self - 1) > 0 && std::to_string(::getpid()) == self &&
      ::stat((procfs + "/self/ns/pid").c_str(), &status) == 0 && status.st_ino == initial) {
    return true;
  }
  return ::stat((procfs + "/1/ns/pid").c_str(), &status) == 0 && status.st_ino == initial;
}

}  // namespace

Result<std::unique_ptr<OwnerWatch>> OwnerWatch::start(const Options& options, const Listener& listener) {
  std::unique_ptr<OwnerWatch> watch(new OwnerWatch(options, listener));
  auto own = Namespace::own();
  if (!own) return std::move(own.error());
  const auto identity = own->identity().value_or(Namespace::Identity{});
  watch->ownSpace_ = {identity.device, identity.inode};
  auto space = OwnerSpace::open(OwnerTable::kOwnSpace, watch->ownSpace_);
  if (!space) return std::move(space.error());
  watch->spaces_[watch->ownSpace_] = std::make_unique<OwnerSpace>(std::move(*space));
  watch->inodes_[OwnerTable::kOwnSpace] = identity.inode;
  watch->event_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!watch->event_) return Error::fromErrno("eventfd", "cannot watch the owners of sockets");

  auto started = Thread::start("ringtap owners", [self = watch.get()] { self->main(); });
  if (!started) return std::move(started.error());
  watch->thread_ = std::move(*started);
  return watch;
}

OwnerWatch::~OwnerWatch() {
  if (!thread_.joinable()) return;
  stop();
  join();
}

void OwnerWatch::wake() {
  const std::uint64_t one = 1;
  (void)!::write(event_.get(), &one, sizeof one);
}

void OwnerWatch::stop() {
  stopping_ = true;
  wake();
}

std::uint64_t OwnerWatch::ask() {
  const std::uint64_t number = ++asked_;
  wake();
  return number;
}

Ownership OwnerWatch::find(const SocketEnds& ends, std::uint64_t time) {
  const std::lock_guard lock(mutex_);
  return table_.find(ends, time);
}

OwnerAnswer OwnerWatch::answer(const SocketEnds& ends, std::uint64_t time) {
  const std::lock_guard lock(mutex_);
  return {table_.find(ends, time), table_.steadyAround(ends, time)};
}

OwnerStats OwnerWatch::stats() {
  const std::lock_guard lock(mutex_);
  OwnerStats stats = published_;
  stats.open = table_.open();
  stats.kept = table_.kept();
  stats.refused = table_.refused();
  stats.bytes = table_.bytes();
  return stats;
}

std::uint64_t OwnerWatch::inodeOf(std::uint32_t space) {
  const std::lock_guard lock(mutex_);
  const auto found = inodes_.find(space);
  return found == inodes_.end() ? 0 : found->second;
}

void OwnerWatch::main() {
  run();
  births_.reset();
  spaces_.clear();
  const Listener listener = listener_;
  listener.ended(listener.context);
}

void OwnerWatch::run() {
  beginBirths();
  std::uint64_t next = 0;     // of a sweep by itself
  std::uint64_t soonest = 0;  // of one that is asked for
  while (!stopping_) {
    const bool asked = asked_ != answered_;
    const std::uint64_t due = asked ? std::min(next, soonest) : next;
    if (monotonicNow() < due) {
      if (!wait(due)) drain();
      continue;
    }
    const std::uint64_t number = asked_;
    const std::uint64_t begin = monotonicNow();
    const std::uint64_t waited = sweep();
    const std::uint64_t end = monotonicNow();
    const std::uint64_t spent = end - begin - waited;
    soonest = end + kRestAsked * spent;
    next = std::max(begin + options_.interval, end + kRest * spent);
    answered_.store(number, std::memory_order_release);
    if (asked) listener_.swept(listener_.context);
  }
}

void OwnerWatch::beginBirths() {
  if (!hasInitialPids(options_.procfs)) {
    gathered_.withoutBirths = "the process ids in " + options_.procfs + " are not those of the initial pid namespace";
    return;
  }
  auto births = SocketBirths::open();
  if (births) births_.emplace(std::move(*births));
  else gathered_.withoutBirths = births.error().message;
  gathered_.births = births_.has_value();
}

// Until the time (monotonicNow()), or until there is something to read. True if it was only woken.
bool OwnerWatch::wait(std::uint64_t until) {
  std::vector<pollfd> waited{{event_.get(), POLLIN, 0}};
  // The ring is readable all the time while one birth is being written.
  if (births_ && !moreBirths_) waited.push_back({births_->fd(), POLLIN, 0});
  for (const auto& [identity, space] : spaces_) waited.push_back({space->sockets().fd(), POLLIN, 0});
  const std::uint64_t now = monotonicNow();
  const std::uint64_t rest = until > now ? until - now : 0;
  const std::uint64_t left = moreBirths_ ? std::min(rest, kMillisecond) : rest;
  const timespec timeout{static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
  const int ready = ::ppoll(waited.data(), waited.size(), &timeout, nullptr);
  if (waited.front().revents == 0) return ready <= 0 && !moreBirths_;
  std::uint64_t count;
  (void)!::read(event_.get(), &count, sizeof count);
  return ready == 1;
}

void OwnerWatch::readBirths() {
  if (!births_) return;
  std::vector<SocketBirth> list;
  moreBirths_ = !births_->read(list);
  if (list.empty()) return;
  std::vector<ProcessPointer> makers;
  std::vector<std::uint32_t> unknownMakers;
  makers.reserve(list.size());
  for (SocketBirth& birth : list) {
    birth.name[sizeof birth.name - 1] = '\0';
    makers.push_back(processes_.at(birth.pid(), birth.uid(), birth.name, birth.time));
    if (options_.everySpace && seenMakers_.insert(makers.back()->id).second) unknownMakers.push_back(birth.pid());
  }
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < list.size(); ++i) {
      table_.born(list[i].cookie, toReal(list[i].time), std::move(makers[i]));
    }
  }
  // This lists the sockets there, and reads births again.
  for (const std::uint32_t pid : unknownMakers) enterThatOf(pid);
}

// Reads what the kernel has announced.
void OwnerWatch::drain() {
  readBirths();
  std::vector<std::pair<std::uint32_t, std::vector<SocketReport>>> ends;
  bool whole = true;
  for (const auto& [identity, space] : spaces_) {
    std::vector<SocketReport> list;
    const auto read = space->sockets().ended(list);
    whole = whole && read.ok() && read.value();
    if (!list.empty()) ends.emplace_back(space->id(), std::move(list));
  }
  // A socket that was made and has ended since the births were read.
  if (!ends.empty()) readBirths();
  if (!whole) ++gathered_.missed;
  if (ends.empty() && whole) return;
  const std::uint64_t now = realNow();
  const std::lock_guard lock(mutex_);
  for (const auto& [space, list] : ends) {
    for (const SocketReport& report : list) table_.ended(space, report, now);
  }
  if (!whole) table_.missedEnds(now);
}

void OwnerWatch::list(OwnerSpace& space, std::uint64_t time) {
  std::vector<SocketReport> sockets;
  const bool whole = space.sockets().list(sockets).ok();
  auto addresses = space.addresses();
  readBirths();
  const std::lock_guard lock(mutex_);
  for (const SocketReport& report : sockets) table_.seen(space.id(), report, time);
  if (whole) table_.listed(space.id(), time);
  if (addresses) table_.setAddresses(space.id(), std::move(*addresses));
}

// Waits, not beyond a time (monotonicNow()), for what becomes of sockets that were made up to `time`: since the sweep
// before, or in the last moments. Returns the nanoseconds that it has waited.
std::uint64_t OwnerWatch::awaitEnds(std::uint64_t time, std::uint64_t until) {
  const std::uint64_t after = std::min(time - kReportDelay, sweptAt_.load(std::memory_order_relaxed));
  const auto awaits = [&] {
    const std::lock_guard lock(mutex_);
    return moreBirths_ || table_.awaits(after, time);
  };
  std::uint64_t waited = 0;
  drain();
  while (awaits() && !stopping_) {
    const std::uint64_t now = monotonicNow();
    if (now >= until) break;
    (void)wait(until);
    waited += monotonicNow() - now;
    drain();
  }
  return waited;
}

// Returns the nanoseconds of it in which it waited.
std::uint64_t OwnerWatch::sweep() {
  const std::uint64_t time = realNow();
  const std::uint64_t until = monotonicNow() + kReportDelay;
  drain();
  std::vector<OwnerSpace*> spaces;
  for (const auto& [identity, space] : spaces_) spaces.push_back(space.get());
  for (OwnerSpace* space : spaces) list(*space, time);
  drain();
  const bool all = monotonicNow() - lastSearch_ >= kSearchAgain;
  if (all) lastSearch_ = monotonicNow();
  // Sockets of namespaces that were found by the first search have holders to be searched for too.
  if (searchProcesses(all)) (void)searchProcesses(false);
  const std::size_t known = spaces_.size();
  const std::uint64_t waited = awaitEnds(time, until);
  if (spaces_.size() != known) (void)searchProcesses(false);
  if (all) {
    processes_.purge();
    seenMakers_.clear();
  }
  ++gathered_.sweeps;
  publish();
  const std::lock_guard lock(mutex_);
  table_.expire(realNow(), processes_.bytes());
  table_.swept(time);
  sweptAt_.store(time, std::memory_order_release);
  return waited;
}

// Finds the holders of sockets, and namespaces. True if a namespace is new.
bool OwnerWatch::searchProcesses(bool all) {
  std::vector<std::uint32_t> inodes;
  {
    const std::lock_guard lock(mutex_);
    inodes = table_.inodes(all);
  }
  const std::unordered_set<std::uint32_t> wanted(inodes.begin(), inodes.end());
  const DescriptorIndex index = indexDescriptors(options_.procfs, options_.directories, wanted);
  if (!wanted.empty()) gathered_.hidden = index.unread;
  gathered_.hiddenSpaces = index.unreadSpaces;
  std::map<std::uint32_t, ProcessPointer> known;
  for (const auto& [inode, pids] : index.holders) {
    for (const std::uint32_t pid : pids) {
      if (!known.contains(pid)) known[pid] = processes_.now(pid, kFresh);
    }
  }
  {
    const std::lock_guard lock(mutex_);
    if (!wanted.empty()) {
      table_.hold([&](std::uint32_t inode) {
        std::vector<ProcessPointer> holders;
        const auto found = index.holders.find(inode);
        if (found == index.holders.end()) return holders;
        for (const std::uint32_t pid : found->second) {
          if (known[pid]) holders.push_back(known[pid]);
        }
        return holders;
      });
    }
  }
  return options_.everySpace && follow(index);
}

// Enters the namespaces that are new, and leaves those that are gone. True if there is a new one.
bool OwnerWatch::follow(const DescriptorIndex& index) {
  for (auto it = spaces_.begin(); it != spaces_.end();) {
    // An open descriptor in the namespace keeps it alive, so it is left once nothing else is seen in it.
    const bool gone = it->first != ownSpace_ && !index.namespaces.contains(it->first);
    if (gone) {
      const std::lock_guard lock(mutex_);
      table_.drop(it->second->id(), realNow());
      inodes_.erase(it->second->id());
    }
    it = gone ? spaces_.erase(it) : std::next(it);
  }
  std::erase_if(closed_, [&](const SpaceIdentity& one) { return !index.namespaces.contains(one); });
  bool entered = false;
  for (const auto& [identity, path] : index.namespaces) {
    if (enter(identity, path)) entered = true;
  }
  return entered;
}

// True if it is new.
bool OwnerWatch::enter(const SpaceIdentity& identity, const std::string& path) {
  if (spaces_.contains(identity) || closed_.contains(identity)) return false;
  auto space = OwnerSpace::openAt(++lastSpace_, identity, path);
  if (!space) {
    // Gone meanwhile, or never to be entered.
    if (space.error().code != Code::Option || space.error().number == EINVAL) closed_.insert(identity);
    return false;
  }
  auto& kept = spaces_[identity] = std::make_unique<OwnerSpace>(std::move(*space));
  {
    const std::lock_guard lock(mutex_);
    inodes_[kept->id()] = identity.second;
  }
  list(*kept, realNow());
  return true;
}

// Enters the namespace of a process that has made its first socket: before the socket has ended, if it can be.
void OwnerWatch::enterThatOf(std::uint32_t pid) {
  const std::string path = options_.procfs + "/" + std::to_string(pid) + "/ns/net";
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) (void)enter({status.st_dev, status.st_ino}, path);
}

void OwnerWatch::publish() {
  gathered_.spaces = spaces_.size();
  gathered_.closedSpaces = static_cast<std::uint32_t>(closed_.size());
  gathered_.processes = processes_.size();
  const std::lock_guard lock(mutex_);
  published_ = gathered_;
}

}  // namespace ringtap
