// Follows the sockets of a host and the processes that have them, on a thread of its own.
//
// The thread lists the sockets of every network namespace that a process is in, reads the kernel's notifications of
// sockets that end, and of sockets that are made where that is permitted (socket_births.h), and searches procfs for the
// processes. Each needs less privilege than the next; what cannot be read is counted, and nothing fails for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/owners/descriptor_index.h"
#include "core/owners/owner_source.h"
#include "core/owners/owner_space.h"
#include "core/owners/owner_table.h"
#include "core/owners/processes.h"
#include "core/owners/socket_births.h"
#include "core/util/result.h"
#include "core/util/thread.h"
#include "core/util/unique_fd.h"

namespace ringtap {

struct OwnerStats {
  std::uint64_t open = 0;       // sockets
  std::uint64_t kept = 0;       // sockets that have ended
  std::uint64_t refused = 0;    // sockets that were not taken for want of memory
  std::uint64_t processes = 0;  // that have or had sockets
  std::uint64_t bytes = 0;      // of all of these, approximately
  std::uint64_t spaces = 0;     // network namespaces
  std::uint64_t sweeps = 0;
  std::uint64_t missed = 0;        // how often the kernel dropped notifications
  std::uint32_t hidden = 0;        // processes that do not show their descriptors
  std::uint32_t hiddenSpaces = 0;  // processes that do not show their network namespace
  std::uint32_t closedSpaces = 0;  // network namespaces that could not be entered
  bool births = false;             // whether the makers of sockets are known
  std::string withoutBirths{};     // why not
};

class OwnerWatch final : public OwnerSource {
 public:
  struct Options {
    std::string procfs = "/proc";
    std::vector<std::string> directories{};  // with files of network namespaces
    bool everySpace = true;                  // not only that of the calling thread
    std::size_t memory = 32 << 20;           // bytes
    std::uint64_t history = 60'000'000'000;  // nanoseconds
    std::uint64_t interval = 500'000'000;    // nanoseconds between two lists
  };
  // Called on the watch's thread.
  struct Listener {
    void (*swept)(void* context) = nullptr;  // a list that was asked for is complete
    void (*ended)(void* context) = nullptr;  // once, as the last thing, after stop()
    void* context = nullptr;
  };

  // Its own namespace is that of the calling thread.
  [[nodiscard]] static Result<std::unique_ptr<OwnerWatch>> start(const Options& options, const Listener& listener);
  OwnerWatch(const OwnerWatch&) = delete;
  OwnerWatch& operator=(const OwnerWatch&) = delete;
  // Stops and joins, unless that was done: then it may be on any thread.
  ~OwnerWatch() override;

  // Any thread. Asks for the present sockets and processes; returns the number that answered() will have reached then.
  std::uint64_t ask() override;
  [[nodiscard]] std::uint64_t answered() const { return answered_.load(std::memory_order_acquire); }
  // Any thread.
  [[nodiscard]] Ownership find(const SocketEnds& ends, std::uint64_t time);
  [[nodiscard]] OwnerAnswer answer(const SocketEnds& ends, std::uint64_t time) override;
  [[nodiscard]] std::uint64_t stamp(const SocketEnds& ends) const override { return table_.changes().stamp(ends); }
  [[nodiscard]] std::uint64_t sweptAt() const override { return sweptAt_.load(std::memory_order_acquire); }
  // After stop().
  [[nodiscard]] bool ended() const override { return stopping_; }
  [[nodiscard]] OwnerStats stats();
  // The inode of a network namespace that find() named; 0 if it is gone.
  [[nodiscard]] std::uint64_t inodeOf(std::uint32_t space);

  // Makes the thread end, without waiting for it. Any thread; idempotent.
  void stop();
  // Waits for the thread to end. Only after stop(), only on the owner's thread; idempotent.
  void join() { thread_.join(); }

 private:
  OwnerWatch(const Options& options, const Listener& listener)
      : options_(options), listener_(listener), processes_(options.procfs), table_(options.memory, options.history) {}

  void main();
  void run();
  void beginBirths();
  [[nodiscard]] bool wait(std::uint64_t until);
  void wake();
  void drain();
  void readBirths();
  [[nodiscard]] std::uint64_t sweep();
  [[nodiscard]] std::uint64_t awaitEnds(std::uint64_t time, std::uint64_t until);
  void list(OwnerSpace& space, std::uint64_t time);
  [[nodiscard]] bool searchProcesses(bool all);
  bool follow(const DescriptorIndex& index);
  bool enter(const SpaceIdentity& identity, const std::string& path);
  void enterThatOf(std::uint32_t pid);
  void publish();

  const Options options_;
  const Listener listener_;
  UniqueFd event_;
  Thread thread_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> asked_{0};
  std::atomic<std::uint64_t> answered_{0};
  std::atomic<std::uint64_t> sweptAt_{0};

  // Used by the thread only, once it runs.
  Processes processes_;
  std::optional<SocketBirths> births_;
  bool moreBirths_ = false;  // than could be read
  std::map<SpaceIdentity, std::unique_ptr<OwnerSpace>> spaces_;
  std::set<SpaceIdentity> closed_;      // that could not be entered
  std::set<std::uint32_t> seenMakers_;  // ids of records whose namespace was looked at
  std::uint32_t lastSpace_ = OwnerTable::kOwnSpace;
  SpaceIdentity ownSpace_{};
  OwnerStats gathered_;
  std::uint64_t lastSearch_ = 0;  // of all processes, monotonicNow()

  std::mutex mutex_;  // guards the members below, but for the table's changes()
  OwnerTable table_;
  OwnerStats published_;
  std::map<std::uint32_t, std::uint64_t> inodes_;  // of the namespaces, by id
};

}  // namespace ringtap
