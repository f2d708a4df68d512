// Reports the time that the kernel spends in ringtap's eBPF socket filters, by its own clock (BPF_ENABLE_STATS, Linux
// 5.8; root).
//
// Prints {"ready":true}, or {"missing":"why"} and ends. Then, for each line on standard input, prints one line with the
// statistics of each program of that name since it was loaded, by program ID:
// {"12":{"runs":400000,"nanoseconds":80000000},…}

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace {

int bpf(bpf_cmd command, bpf_attr& attributes) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

bpf_attr blank() {
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);
  return attributes;
}

void report() {
  const char* separator = "{";
  bpf_attr next = blank();
  while (bpf(BPF_PROG_GET_NEXT_ID, next) == 0) {
    const std::uint32_t id = next.next_id;
    next = blank();
    next.start_id = id;
    bpf_attr open = blank();
    open.prog_id = id;
    const int program = bpf(BPF_PROG_GET_FD_BY_ID, open);
    if (program < 0) continue;  // unloaded meanwhile
    bpf_prog_info info{};
    bpf_attr get = blank();
    get.info.bpf_fd = static_cast<std::uint32_t>(program);
    get.info.info_len = sizeof info;
    get.info.info = reinterpret_cast<std::uintptr_t>(&info);
    if (bpf(BPF_OBJ_GET_INFO_BY_FD, get) == 0 && std::strcmp(info.name, "ringtap") == 0) {
      std::printf("%s\"%u\":{\"runs\":%llu,\"nanoseconds\":%llu}", separator, id,
                  static_cast<unsigned long long>(info.run_cnt), static_cast<unsigned long long>(info.run_time_ns));
      separator = ",";
    }
    close(program);
  }
  std::printf("%s}\n", *separator == '{' ? "{" : "");
  std::fflush(stdout);
}

}  // namespace

int main() {
  bpf_attr enable = blank();
  enable.enable_stats.type = BPF_STATS_RUN_TIME;
  if (bpf(BPF_ENABLE_STATS, enable) < 0) {  // enabled while the descriptor is open
    std::printf("{\"missing\":\"%s\"}\n", std::strerror(errno));
    return 0;
  }
  std::puts("{\"ready\":true}");
  std::fflush(stdout);
  for (int c; (c = std::getchar()) != EOF;) {
    if (c == '\n') report();
  }
  return 0;
}
