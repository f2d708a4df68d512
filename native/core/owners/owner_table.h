// Whose sockets were open when: answers whose a packet is, from its ends and its time.
//
// Pure: no descriptor, no clock, no thread. Not thread-safe but for changes(). Times are nanoseconds since 1970, as of
// packets.
//
// The life of a socket is known between bounds. `earliest`: it cannot have begun before; `seen`: it had begun; `ended`:
// it has ended by then. An answer is given only if no other socket can be meant: where two may be, and they have
// different owners, it is Gap::Reused.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "core/owners/owner_changes.h"
#include "core/owners/processes.h"
#include "core/owners/socket_diag.h"
#include "core/owners/socket_ends.h"

namespace ringtap {

struct Ownership {
  enum class Source : std::uint8_t {
    None,      // see `gap`
    Holder,    // they have a descriptor of the socket
    Maker,     // it made the socket, and nobody was seen with a descriptor
    Listener,  // they have a descriptor of the socket that listens on the port
  };
  enum class Gap : std::uint8_t {
    None,
    NoSocket,  // no socket has this end: it is not local, its address is translated, or the kernel itself sends
    NotYet,    // the sockets were not read since; they may tell later
    Reused,    // several sockets with different owners come into question
    Spaces,    // the same, in several network namespaces
    Hidden,    // there is a socket, and who has it is not shown, or it had ended before anybody looked
  };
  Source source = Source::None;
  Gap gap = Gap::NoSocket;
  std::uint32_t space = 0;  // the network namespace, if there is a socket
  std::vector<ProcessPointer> processes{};
};

// The times between two others, without these.
struct OwnerSpan {
  std::uint64_t after = 0;
  std::uint64_t before = ~std::uint64_t{0};

  [[nodiscard]] bool contains(std::uint64_t time) const { return time > after && time < before; }
  // Leaves out the times on the other side of a moment, as seen from `time`, and the moment itself.
  void cutAt(std::uint64_t moment, std::uint64_t time) {
    if (moment <= time && moment > after) after = moment;
    if (moment >= time && moment < before) before = moment;
  }
};

class OwnerTable {
 public:
  // The namespace whose packets are asked about: the only one to which addresses of loopback lead.
  static constexpr std::uint32_t kOwnSpace = 0;

  // `memory`: bytes, approximate. `history`: nanoseconds for which a socket that has ended is kept.
  OwnerTable(std::size_t memory, std::uint64_t history) : memory_(memory), history_(history) {}

  // A process has made a socket.
  void born(std::uint64_t cookie, std::uint64_t time, ProcessPointer maker);
  // A socket is in the list that was read at `time`.
  void seen(std::uint32_t space, const SocketReport& report, std::uint64_t time);
  // The kernel has reported its end, which was read at `time`. Also of one that never had a port, so that it is not
  // awaited any longer.
  void ended(std::uint32_t space, const SocketReport& report, std::uint64_t time);
  // Every socket of the namespace in a list read at `time` was passed to seen(). One that is missing twice has ended.
  void listed(std::uint32_t space, std::uint64_t time);
  // The addresses of a namespace, which sockets that are bound to none receive on.
  void setAddresses(std::uint32_t space, std::set<OwnerAddress> addresses) {
    addresses_[space] = std::move(addresses);
    changes_.changedAll();
  }
  // All namespaces have been listed at `time` or later, and all ends that were reported by then were passed to ended().
  // Nothing is known of times before the first call.
  void swept(std::uint64_t time) {
    if (since_ == 0) since_ = time;
    swept_ = time;
    changes_.changedAll();
  }
  // Some ends were not reported: what lies before `time` is uncertain.
  void missedEnds(std::uint64_t time) {
    missed_ = time;
    changes_.changedAll();
  }
  // Whether a socket was made after `after`, until `until`, that was neither listed nor reported as ended yet.
  [[nodiscard]] bool awaits(std::uint64_t after, std::uint64_t until) const;
  // The namespace is gone.
  void drop(std::uint32_t space, std::uint64_t time);

  // Inodes of the open sockets; `all` or only those whose holders have not been searched for yet.
  [[nodiscard]] std::vector<std::uint32_t> inodes(bool all) const;
  // The processes with descriptors of the sockets with these inodes, for those that were open when they were searched
  // for. holdersOf(inode) returns a vector of ProcessPointer.
  template <typename HoldersOf>
  void hold(HoldersOf holdersOf);

  // Forgets sockets that ended long ago, and more if the table and `others` bytes exceed the memory.
  void expire(std::uint64_t now, std::size_t others);

  // `ends`: of the socket whose owner is asked for, so that `local` is the packet's source for its sender.
  [[nodiscard]] Ownership find(const SocketEnds& ends, std::uint64_t time) const;
  // Times around `time` for which find() gives the same answer, until there is a change.
  [[nodiscard]] OwnerSpan steadyAround(const SocketEnds& ends, std::uint64_t time) const;
  [[nodiscard]] const OwnerChanges& changes() const { return changes_; }

  [[nodiscard]] std::size_t open() const { return open_.size(); }
  [[nodiscard]] std::size_t kept() const { return ended_.size(); }
  // Sockets that were not taken for want of memory.
  [[nodiscard]] std::uint64_t refused() const { return refused_; }
  [[nodiscard]] std::size_t bytes() const;

 private:
  struct Entry {
    SocketEnds ends;
    std::uint64_t cookie = 0;
    std::uint32_t inode = 0;
    std::uint32_t space = 0;
    std::uint64_t earliest = 0;
    std::uint64_t seen = 0;      // first
    std::uint64_t lastSeen = 0;  // in a list
    std::uint64_t ended = 0;     // 0: open
    std::uint8_t absent = 0;     // lists in a row without it
    bool searched = false;       // for holders
    bool listening = false;
    bool onlyV6 = false;
    ProcessPointer maker{};
    std::vector<ProcessPointer> holders{};
  };
  using Entries = std::vector<const Entry*>;
  struct Birth {
    std::uint64_t time = 0;
    ProcessPointer maker;
  };

  [[nodiscard]] Entry* findSince(std::uint64_t cookie, std::uint64_t time);
  Entry* add(std::uint32_t space, const SocketReport& report, std::uint64_t time);
  void end(std::unique_ptr<Entry> entry, std::uint64_t time);
  void forgetOldest();
  [[nodiscard]] bool mayBe(const Entry& entry, std::uint64_t time) const;
  [[nodiscard]] bool receives(const Entry& entry, const SocketEnds& ends) const;
  [[nodiscard]] static std::array<SocketEnds, 4> keysOf(const SocketEnds& ends);
  [[nodiscard]] Entries candidates(const SocketEnds& key, const SocketEnds& ends, std::uint64_t time) const;
  [[nodiscard]] Entries unconnected(const SocketEnds& ends, std::uint64_t time) const;
  [[nodiscard]] Ownership ownersOf(const Entry& entry, std::uint64_t time) const;
  [[nodiscard]] Ownership judge(const Entries& entries, std::uint64_t time, bool listeners) const;

  const std::size_t memory_;
  const std::uint64_t history_;
  std::uint64_t since_ = 0;
  std::uint64_t swept_ = 0;
  std::uint64_t missed_ = 0;
  std::uint64_t refused_ = 0;
  std::size_t others_ = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<Entry>> open_;  // by cookie
  std::deque<std::unique_ptr<Entry>> ended_;                        // the earliest first
  std::unordered_map<SocketEnds, Entries, HashSocketEnds> index_;
  std::unordered_map<std::uint64_t, Birth> births_;  // of sockets that were not seen yet, by cookie
  struct BirthOrder {
    std::uint64_t cookie;
    std::uint64_t time;
  };
  std::deque<BirthOrder> birthOrder_;  // these, and some of sockets seen since: at most twice as many as births_ may be
  std::unordered_map<std::uint32_t, std::set<OwnerAddress>> addresses_;
  OwnerChanges changes_;
};

template <typename HoldersOf>
void OwnerTable::hold(HoldersOf holdersOf) {
  for (auto& [cookie, entry] : open_) {
    if (entry->inode == 0) continue;
    std::vector<ProcessPointer> holders = holdersOf(entry->inode);
    if (!holders.empty()) entry->holders = std::move(holders);
    entry->searched = true;
  }
  changes_.changedAll();
}

}  // namespace ringtap
