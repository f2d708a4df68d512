// The baselines of bench/savefile/read.ts: C loops that read a savefile through libpcap and add up the captured
// lengths.
//
//   read_loop next|dispatch FILE     with pcap_next_ex, or pcap_dispatch
//   read_loop run PROGRAM ARGUMENT…  another program, with its standard output thrown away
//
// Prints packets, bytes, seconds (of the reading only, or of the whole program), seconds of processor time (of the
// whole process) and the peak resident memory in bytes, as JSON.

#include <fcntl.h>
#include <pcap/pcap.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "clock.h"

namespace {

struct Sum {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};

void print(const Sum& sum, double seconds, int who, const rusage* usage) {
  rusage own;
  getrusage(who, &own);
  if (usage == nullptr) usage = &own;
  const auto inSeconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  std::printf("{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.6f,\"cpu\":%.6f,\"memory\":%ld}\n",
              sum.packets, sum.bytes, seconds, inSeconds(usage->ru_utime) + inSeconds(usage->ru_stime),
              usage->ru_maxrss * 1024);
}

int run(char** command) {
  const double began = clockSeconds(CLOCK_MONOTONIC);
  const pid_t child = fork();
  if (child == 0) {
    dup2(open("/dev/null", O_WRONLY), 1);
    execvp(command[0], command);
    std::perror(command[0]);
    _exit(127);
  }
  int status = 0;
  rusage usage;
  if (child < 0 || wait4(child, &status, 0, &usage) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return 1;
  print({}, clockSeconds(CLOCK_MONOTONIC) - began, RUSAGE_CHILDREN, &usage);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2 && std::strcmp(argv[1], "run") == 0) return run(argv + 2);
  if (argc != 3) {
    std::fprintf(stderr, "usage: read_loop next|dispatch FILE, or read_loop run PROGRAM ARGUMENT…\n");
    return 2;
  }
  char why[PCAP_ERRBUF_SIZE];
  const double began = clockSeconds(CLOCK_MONOTONIC);
  pcap_t* file = pcap_open_offline(argv[2], why);
  if (file == nullptr) {
    std::fprintf(stderr, "Error: %s\n", why);
    return 1;
  }
  Sum sum;
  int result = 0;
  if (std::strcmp(argv[1], "next") == 0) {
    pcap_pkthdr* header;
    const u_char* data;
    while ((result = pcap_next_ex(file, &header, &data)) == 1) {
      ++sum.packets;
      sum.bytes += header->caplen;
    }
    if (result == PCAP_ERROR_BREAK) result = 0;  // end of file
  } else {
    result = pcap_dispatch(
        file, -1,
        [](u_char* user, const pcap_pkthdr* header, const u_char*) {
          auto& sum = *reinterpret_cast<Sum*>(user);
          ++sum.packets;
          sum.bytes += header->caplen;
        },
        reinterpret_cast<u_char*>(&sum));
  }
  if (result < 0) std::fprintf(stderr, "Error: %s\n", pcap_geterr(file));
  pcap_close(file);
  print(sum, clockSeconds(CLOCK_MONOTONIC) - began, RUSAGE_SELF, nullptr);
  return result < 0 ? 1 : 0;
}
