// A device's counters of packets that were lost before any packet socket could receive them.
//
// Source: struct rtnl_link_stats64 (linux/if_link.h), which every device has. Included are the counters of received
// packets lost before __netif_receive_skb_core() (net/core/dev.c) delivers to packet sockets. Excluded:
// - rx_nohandler and all transmit counters: packet sockets received those packets first (tx_dropped is mostly counted
//   by the driver, after dev_queue_xmit_nit());
// - rx_length_errors, rx_crc_errors, rx_frame_errors: they are part of rx_errors.
#pragma once

#include <cstdint>

namespace ringtap {

struct DeviceLosses {
  std::uint64_t dropped = 0;   // rx_dropped: received, then dropped: backlog full, no memory, …
  std::uint64_t missed = 0;    // rx_missed_errors: the device had no free buffer, because the host was too slow
  std::uint64_t errors = 0;    // rx_errors: bad packets: length, checksum, alignment, …
  std::uint64_t overruns = 0;  // rx_over_errors: larger than the buffers provided
  std::uint64_t fifo = 0;  // rx_fifo_errors: like overruns, or full queues of software devices; depends on the driver
  bool operator==(const DeviceLosses&) const = default;

  // The increase since `before`. If a device reset has restarted a counter, its increase is 0 until it exceeds the
  // value in `before`.
  [[nodiscard]] DeviceLosses since(const DeviceLosses& before) const {
    const auto more = [](std::uint64_t now, std::uint64_t then) { return now > then ? now - then : 0; };
    return {more(dropped, before.dropped), more(missed, before.missed), more(errors, before.errors),
            more(overruns, before.overruns), more(fifo, before.fifo)};
  }
};

}  // namespace ringtap
