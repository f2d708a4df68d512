// A NETLINK_ROUTE socket, and the questions that are asked through one.
//
// Two sockets serve a monitor: news (multicast) come over one, answers over the other, so that a dump can neither be
// mistaken for news nor crowd it out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "core/links/netlink_parse.h"
#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap::netlink {

struct Received {
  enum class State {
    Bytes,      // `bytes` holds whole messages, valid until the next receive
    Nothing,    // no message waits (news socket only)
    Overflow,   // the kernel had to drop messages (ENOBUFS)
    Truncated,  // a message was larger than the buffer and is lost; the buffer has grown to fit the next
  };
  State state = State::Nothing;
  Bytes bytes;
};

class Socket {
 public:
  // groups: bits as nl_groups has them, 0 for a socket that asks. News are received without waiting, answers with.
  // receiveBuffer: bytes asked for; the kernel may grant less to those without CAP_NET_ADMIN (net.core.rmem_max). 0: as
  // it comes.
  [[nodiscard]] static Result<Socket> open(std::uint32_t groups, int receiveBuffer);

  [[nodiscard]] int fd() const { return fd_.get(); }
  Result<Received> receive();
  Result<> send(const void* request, std::size_t length);

 private:
  explicit Socket(UniqueFd fd) : fd_(std::move(fd)), buffer_(kFirstBuffer) {}

  // Holds what the kernel sends at a time (32 KiB, net/netlink/af_netlink.c); only a single message can be larger.
  static constexpr std::size_t kFirstBuffer = 64 * 1024;
  UniqueFd fd_;
  std::vector<std::uint8_t> buffer_;
};

// Everything there is, at one moment.
struct Snapshot {
  std::vector<InterfaceInfo> links;
  std::vector<AddressMessage> addresses;
};

// Asks; each call waits for its answer. The kernel answers under its RTNL lock, which it may hold for a while (tens of
// milliseconds where many devices go at once).
class Requester {
 public:
  [[nodiscard]] static Result<Requester> open();

  // A socket of the namespace, for requests of other kinds.
  [[nodiscard]] int fd() const { return socket_.fd(); }
  // Repeats what was interrupted by changes (NLM_F_DUMP_INTR).
  Result<Snapshot> snapshot();
  // Nothing where the index is not known.
  Result<std::optional<InterfaceInfo>> link(std::uint32_t index);
  Result<std::vector<AddressMessage>> addresses(std::uint32_t index);
  // The counters of every device of the namespace, by index; empty where the kernel does not know the question (before
  // Linux 4.7). Half a microsecond for each device.
  Result<std::map<std::uint32_t, DeviceLosses>> losses();

 private:
  explicit Requester(Socket socket) : socket_(std::move(socket)) {}

  struct Outcome {
    int number = 0;            // the errno the kernel answered with
    bool interrupted = false;  // the answer may not be consistent
  };
  template <typename Header, typename Visit>
  Result<Outcome> ask(std::uint16_t type, std::uint16_t flags, const Header& header, std::uint32_t extendedMask,
                      Visit visit);
  template <typename Header, typename Start, typename Visit>
  Result<Outcome> dump(std::uint16_t type, const Header& header, std::uint32_t extendedMask, Start start, Visit visit);

  Socket socket_;
  std::uint32_t sequence_ = 0;
};

}  // namespace ringtap::netlink
