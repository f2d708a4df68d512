#include "core/linux/private_descriptors.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "core/util/thread.h"
#include "core/util/unique_fd.h"

namespace ringtap {

namespace {

constexpr std::size_t kRoom = 16;

// Not in the headers of older C libraries; the numbers are the same on all architectures.
#ifndef SYS_close_range
constexpr long SYS_close_range = 436;
#endif
constexpr unsigned kCloseRangeUnshare = 1u << 1;

// The descriptors that `open` has left open in the thread's table.
struct Opened {
  std::array<int, kRoom> numbers{};
  std::size_t count = 0;

  [[nodiscard]] bool contains(int number) const {
    return std::find(numbers.begin(), numbers.begin() + count, number) != numbers.begin() + count;
  }
};

// A message of one byte with descriptors attached (SCM_RIGHTS).
struct Message {
  explicit Message(std::size_t room) {
    header.msg_iov = &content;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(room * sizeof(int));
  }
  char byte = 0;
  iovec content{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(kRoom * sizeof(int))] = {};
  msghdr header{};
};

void send(int channel, const Opened& opened) {
  if (opened.count == 0) return;
  Message message(opened.count);
  cmsghdr* rights = CMSG_FIRSTHDR(&message.header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(opened.count * sizeof(int));
  std::memcpy(CMSG_DATA(rights), opened.numbers.data(), opened.count * sizeof(int));
  (void)::sendmsg(channel, &message.header, MSG_NOSIGNAL);  // on failure the receiver gets no descriptors
}

// In the order of Opened::numbers; fewer if the process has reached its limit of descriptors.
std::vector<UniqueFd> receive(int channel) {
  std::vector<UniqueFd> received;
  Message message(kRoom);
  if (::recvmsg(channel, &message.header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != 1) return received;
  const cmsghdr* rights = CMSG_FIRSTHDR(&message.header);
  if (rights == nullptr || rights->cmsg_type != SCM_RIGHTS) return received;
  std::vector<int> numbers((rights->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  std::memcpy(numbers.data(), CMSG_DATA(rights), numbers.size() * sizeof(int));
  for (const int number : numbers) received.emplace_back(number);
  return received;
}

// Runs on the thread. `numbers`: the descriptor numbers reserved for it in the process's table, ascending; `filler`:
// any descriptor. Uses syscall(2), because ThreadSanitizer assumes that all descriptors are in one table.
bool openInOwnTable(int channel, int filler, const std::vector<int>& numbers, Opened& opened,
                    const std::function<void()>& open) {
  const int last = std::max({numbers.back(), channel, filler});
  // Unshares and closes in one step, so that descriptors above `last` are not copied.
  if (::syscall(SYS_close_range, static_cast<unsigned>(last) + 1, ~0u, kCloseRangeUnshare) != 0 &&
      ::unshare(CLONE_FILES) != 0) {
    open();
    return false;
  }
  // A new descriptor gets the lowest free number, so every number up to `last` is occupied except the reserved ones.
  for (int number = 0; number <= last; ++number) {
    if (number == channel || number == filler) continue;
    if (std::binary_search(numbers.begin(), numbers.end(), number)) ::syscall(SYS_close, number);
    else ::syscall(SYS_dup3, filler, number, O_CLOEXEC);
  }
  open();
  for (const int number : numbers) {
    if (::fcntl(number, F_GETFD) >= 0) opened.numbers[opened.count++] = number;
  }
  send(channel, opened);
  // Closed here, because joining the thread does not wait until its table is released.
  for (int number = 0; number <= last; ++number) ::syscall(SYS_close, number);
  return true;
}

}  // namespace

Result<> openPrivately(const std::function<void()>& open) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return Error::fromErrno("socketpair");
  const UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  const UniqueFd filler(::eventfd(0, EFD_CLOEXEC));
  if (!filler) return Error::fromErrno("eventfd");
  std::vector<UniqueFd> reserved;
  std::vector<int> numbers;
  while (numbers.size() < kRoom) {
    const int number = ::fcntl(filler.get(), F_DUPFD_CLOEXEC, 0);
    if (number < 0) return Error::fromErrno("fcntl", "no descriptor numbers to open a handle with");
    reserved.emplace_back(number);
    numbers.push_back(number);
  }
  // Not std::sort: for plain numbers, that of libc++ is one object with its sort of long doubles, which on arm64 needs
  // the compiler's runtime library (savefile/file_time.cpp).
  std::ranges::sort(numbers);

  bool own = false;
  Opened opened;
  auto thread =
      Thread::start("ringtap open", [&] { own = openInOwnTable(theirs.get(), filler.get(), numbers, opened, open); });
  if (!thread) return std::move(thread.error());
  thread->join();
  if (!own) return {};

  const std::vector<UniqueFd> received = receive(ours.get());
  // The caller now owns these numbers.
  for (UniqueFd& one : reserved) {
    if (opened.contains(one.get())) (void)one.release();
  }
  if (received.size() < opened.count) {
    return Error{Code::System, "too few descriptors are allowed to open a handle", EMFILE, "recvmsg"};
  }
  for (std::size_t i = 0; i < opened.count; ++i) {
    if (::dup3(received[i].get(), opened.numbers[i], O_CLOEXEC) < 0) return Error::fromErrno("dup3");
  }
  return {};
}

}  // namespace ringtap
