#include "core/capture/probe.h"

#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "core/util/unique_fd.h"

// Declared by hand: <pcap/pcap.h> and <linux/bpf.h> each define a struct bpf_insn of their own.
extern "C" const char* pcap_lib_version(void);

namespace ringtap {

namespace {

// The C library has no wrapper. The attributes must be zero beyond the command's fields, or the kernel returns E2BIG or
// EINVAL (kernel/bpf/syscall.c, CHECK_ATTR).
int bpf(bpf_cmd command, bpf_attr& attributes) {
  return static_cast<int>(syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

int tryRing(int fd) {
  const int version = TPACKET_V3;
  if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) return errno;
  const auto page = static_cast<unsigned>(sysconf(_SC_PAGESIZE));
  tpacket_req3 request{};
  request.tp_block_size = page;
  request.tp_block_nr = 1;
  request.tp_frame_size = page;
  request.tp_frame_nr = 1;
  if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) return errno;
  return 0;
}

}  // namespace

PacketProbe probePacketSocket() {
  const UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!fd) return {.socket = errno};
  return {.ring = tryRing(fd.get())};
}

BpfProbe probeBpf() {
  BpfProbe probe;

  bpf_attr map;
  std::memset(&map, 0, sizeof map);
  map.map_type = BPF_MAP_TYPE_HASH;
  map.key_size = sizeof(std::uint32_t);
  map.value_size = sizeof(std::uint32_t);
  map.max_entries = 1;
  const UniqueFd mapFd(bpf(BPF_MAP_CREATE, map));
  if (!mapFd) probe.map = errno;

  bpf_insn instructions[2]{};
  instructions[0].code = BPF_ALU64 | BPF_MOV | BPF_K;  // r0 = 0: drop
  instructions[1].code = BPF_JMP | BPF_EXIT;
  static const char license[] = "MIT";
  bpf_attr program;
  std::memset(&program, 0, sizeof program);
  program.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  program.insns = reinterpret_cast<std::uintptr_t>(instructions);
  program.insn_cnt = 2;
  program.license = reinterpret_cast<std::uintptr_t>(license);
  const UniqueFd programFd(bpf(BPF_PROG_LOAD, program));
  if (!programFd) probe.program = errno;

  return probe;
}

}  // namespace ringtap
