// A netlink socket, and the requests of NETLINK_ROUTE sent through one.
//
// A monitor has two sockets: one for notifications (multicast), one for requests. A dump can therefore neither be
// mistaken for notifications nor fill their receive buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "core/links/netlink_parse.h"
#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap::netlink {

struct Received {
  enum class State {
    Bytes,      // `bytes` holds whole messages, valid until the next receive
    Nothing,    // no message waits (notification socket only)
    Overflow,   // the kernel had to drop messages (ENOBUFS)
    Truncated,  // a message was larger than the buffer and is lost; the buffer has grown to fit the next
  };
  State state = State::Nothing;
  Bytes bytes;
};

class Socket {
 public:
  // groups: a bit mask as in nl_groups; 0 for a socket for requests. receive() is non-blocking on a socket with groups,
  // and waits for a reply on a socket for requests. receiveBuffer: bytes requested; without CAP_NET_ADMIN the kernel
  // limits it to net.core.rmem_max. 0: the system's default. protocol: NETLINK_*, see netlink(7).
  [[nodiscard]] static Result<Socket> open(std::uint32_t groups, int receiveBuffer, int protocol = 0);

  [[nodiscard]] int fd() const { return fd_.get(); }
  Result<Received> receive();
  Result<> send(const void* request, std::size_t length);

 private:
  explicit Socket(UniqueFd fd) : fd_(std::move(fd)), buffer_(kFirstBuffer) {}

  // The kernel sends at most 32 KiB at a time (net/netlink/af_netlink.c), unless a single message is larger.
  static constexpr std::size_t kFirstBuffer = 64 * 1024;
  UniqueFd fd_;
  std::vector<std::uint8_t> buffer_;
};

// The devices of a namespace and their addresses.
struct Snapshot {
  std::vector<InterfaceInfo> links;
  std::vector<AddressMessage> addresses;
};

// Sends requests; each call waits for its reply. The kernel replies under its RTNL lock, which may be held for tens of
// milliseconds when many devices are removed together.
class Requester {
 public:
  [[nodiscard]] static Result<Requester> open();

  // A socket in the namespace, for other kinds of requests such as ioctl(2).
  [[nodiscard]] int fd() const { return socket_.fd(); }
  // Repeats a dump that was interrupted by changes (NLM_F_DUMP_INTR).
  Result<Snapshot> snapshot();
  // nullopt if no device has this index.
  Result<std::optional<InterfaceInfo>> link(std::uint32_t index);
  // The same in the namespace with this id. Permission: CAP_NET_ADMIN there is missing.
  Result<std::optional<InterfaceInfo>> linkIn(std::int32_t namespaceId, std::uint32_t index);
  // The id that this socket's namespace has for another one, which is open as `fd`, or the one of a process; nullopt if
  // it has none, or it is no network namespace, or there is no such process. Needs no privilege.
  [[nodiscard]] std::optional<std::int32_t> namespaceIdOf(int fd);
  [[nodiscard]] std::optional<std::int32_t> namespaceIdOfProcess(std::uint32_t pid);
  Result<std::vector<AddressMessage>> addresses(std::uint32_t index);
  // The counters of every device of the namespace, by index; empty if the kernel does not support the request (before
  // Linux 4.7). Takes about half a microsecond per device.
  Result<std::map<std::uint32_t, DeviceLosses>> losses();

 private:
  explicit Requester(Socket socket) : socket_(std::move(socket)) {}

  struct Outcome {
    int number = 0;            // the errno in the kernel's reply
    bool interrupted = false;  // the reply may be inconsistent
  };
  struct Attribute {
    std::uint16_t type;
    std::uint32_t value;
  };
  template <typename Header, typename Visit>
  Result<Outcome> ask(std::uint16_t type, std::uint16_t flags, const Header& header,
                      std::span<const Attribute> attributes, Visit visit);
  Result<std::optional<InterfaceInfo>> linkOf(std::uint32_t index, std::span<const Attribute> attributes);
  std::optional<std::int32_t> namespaceId(Attribute of);
  template <typename Header, typename Start, typename Visit>
  Result<Outcome> dump(std::uint16_t type, const Header& header, std::uint32_t extendedMask, Start start, Visit visit);

  Socket socket_;
  std::uint32_t sequence_ = 0;
};

}  // namespace ringtap::netlink
