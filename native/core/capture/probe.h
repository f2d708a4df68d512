// Tests whether the calling thread has the privileges for a capture, by trying each operation on a small scale. All
// resources are released again.
#pragma once

namespace ringtap {

// Each an error number, 0 for success.
struct PacketProbe {
  int socket = 0;  // socket(AF_PACKET, SOCK_RAW, 0): needs CAP_NET_RAW in the user namespace that owns the network
  int ring = 0;    // a TPACKET_V3 ring of one page on it; valid only if `socket` is 0
};

struct BpfProbe {
  int map = 0;      // BPF_MAP_CREATE, a hash map of one entry
  int program = 0;  // BPF_PROG_LOAD, a socket filter of two instructions
};

// The socket has protocol 0: it receives nothing (packet(7)).
[[nodiscard]] PacketProbe probePacketSocket();

// A strict seccomp filter may kill the process for calling bpf(2) (systemd's SystemCallFilter= does so by default):
// call it only if it can succeed, that is with CAP_BPF or CAP_SYS_ADMIN, or kernel.unprivileged_bpf_disabled=0. Kernels
// before 5.11 charge maps to RLIMIT_MEMLOCK and return EPERM if it is exceeded.
[[nodiscard]] BpfProbe probeBpf();

}  // namespace ringtap
