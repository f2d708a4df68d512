// What a device's own counters say of packets that no capture ever saw.
//
// Source: struct rtnl_link_stats64 (linux/if_link.h), which every device has. Chosen are those that count packets lost
// on the way in, before __netif_receive_skb_core() (net/core/dev.c) shows a packet to packet sockets. Left out:
// - rx_nohandler, and all that is counted for sending: those packets were shown to packet sockets before (tx_dropped is
//   mostly the driver's, behind dev_queue_xmit_nit());
// - rx_length_errors, rx_crc_errors, rx_frame_errors: parts of rx_errors.
#pragma once

#include <cstdint>

namespace ringtap {

struct DeviceLosses {
  std::uint64_t dropped = 0;  // rx_dropped: taken from the device and thrown away: no room in the backlog, no memory, …
  std::uint64_t missed = 0;    // rx_missed_errors: the device had no buffer, the host was too slow
  std::uint64_t errors = 0;    // rx_errors: bad packets: length, checksum, alignment, …
  std::uint64_t overruns = 0;  // rx_over_errors: did not fit into the buffers provided
  std::uint64_t fifo = 0;      // rx_fifo_errors: the same, or queues of software devices; drivers differ
  bool operator==(const DeviceLosses&) const = default;

  // What was counted after `before`. A driver may start its counters again (a reset of the device): nothing, then,
  // until they are past that.
  [[nodiscard]] DeviceLosses since(const DeviceLosses& before) const {
    const auto more = [](std::uint64_t now, std::uint64_t then) { return now > then ? now - then : 0; };
    return {more(dropped, before.dropped), more(missed, before.missed), more(errors, before.errors),
            more(overruns, before.overruns), more(fifo, before.fifo)};
  }
};

}  // namespace ringtap
