// Waits until sent frames have arrived at the peer end of a veth pair.
#pragma once

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "support/check.h"

namespace support {

// The processors whose backlog holds packets now (softnet_seq_show(), net/core/net-procfs.c: column 11 is the length of
// the backlog, column 12 the processor; since Linux 5.10).
inline std::set<unsigned long> busyBacklogs() {
  std::set<unsigned long> busy;
  std::ifstream file("/proc/net/softnet_stat");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::vector<unsigned long> columns;
    for (std::string word; words >> word;) columns.push_back(std::stoul(word, nullptr, 16));
    if (columns.size() > 12 && columns[11] > 0) busy.insert(columns[12]);
  }
  return busy;
}

// A send on a veth returns when the frame is in a processor's backlog. While ksoftirqd waits to be scheduled, the frame
// stays there, and a capture that ends before then does not receive it. Returns once every frame sent before the call
// has been received.
inline void drainBacklog() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  // A backlog is a FIFO queue: once it has been empty, every frame queued earlier has left it.
  for (auto left = busyBacklogs(); !left.empty();) {
    if (std::chrono::steady_clock::now() > end) {
      CHECK(left.empty());
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto now = busyBacklogs();
    std::erase_if(left, [&](unsigned long processor) { return !now.contains(processor); });
  }
  // The last frame taken from a backlog may still be in processing, which runs in an RCU read-side critical section
  // (process_backlog(), net/core/dev.c). This call waits for an RCU grace period.
  (void)::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

}  // namespace support
