// Waiting until what was sent has arrived at the other end of its veth.
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

// The sender of a frame goes on when the frame is in the backlog of a processor. Where ksoftirqd has to wait for its
// turn, the frame lies there, and a capture that ends by then has not received it. Returns when all that was sent
// before the call was received.
inline void drainBacklog() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  // A backlog is a queue: once it has been empty, what was in it is out.
  for (auto left = busyBacklogs(); !left.empty();) {
    if (std::chrono::steady_clock::now() > end) {
      CHECK(left.empty());
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto now = busyBacklogs();
    std::erase_if(left, [&](unsigned long processor) { return !now.contains(processor); });
  }
  // And the frame that was taken from it last: it is handled under the lock of RCU (process_backlog(), net/core/dev.c),
  // whose grace period this waits for.
  (void)::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

}  // namespace support
