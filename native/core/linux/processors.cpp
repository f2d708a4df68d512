#include "core/linux/processors.h"

#include <sched.h>

#include <array>
#include <string>

#include "core/util/thread.h"

namespace ringtap {

namespace {

// A mask must have room for all processors that the kernel was built for (NR_CPUS), or it refuses to fill it.
class ProcessorMask {
 public:
  void add(std::uint32_t processor) { CPU_SET_S(processor, sizeof sets_, sets_.data()); }
  [[nodiscard]] bool has(std::uint32_t processor) const { return CPU_ISSET_S(processor, sizeof sets_, sets_.data()); }
  [[nodiscard]] cpu_set_t* data() { return sets_.data(); }
  [[nodiscard]] static constexpr std::size_t bytes() { return sizeof sets_; }
  [[nodiscard]] static constexpr std::uint32_t size() { return sizeof sets_ * 8; }

 private:
  std::array<cpu_set_t, 8> sets_{};  // of 1024 bits each
};

// "0-3,8"
std::string rangesText(const std::vector<std::uint32_t>& processors) {
  std::string text;
  for (std::size_t from = 0, to = 0; from < processors.size(); from = to) {
    for (to = from + 1; to < processors.size() && processors[to] == processors[to - 1] + 1;) ++to;
    text += (from == 0 ? "" : ",") + std::to_string(processors[from]);
    if (to > from + 1) text += "-" + std::to_string(processors[to - 1]);
  }
  return text;
}

}  // namespace

// The kernel binds a thread to those of the processors given that its cpuset has (__sched_setaffinity(),
// kernel/sched/syscalls.c), so that a thread bound to all has all that are allowed.
std::vector<std::uint32_t> bindableProcessors() {
  ProcessorMask granted;
  bool known = false;
  auto probe = Thread::start("ringtap probe", [&] {
    ProcessorMask all;
    for (std::uint32_t processor = 0; processor < ProcessorMask::size(); ++processor) all.add(processor);
    known = ::sched_setaffinity(0, ProcessorMask::bytes(), all.data()) == 0 &&
            ::sched_getaffinity(0, ProcessorMask::bytes(), granted.data()) == 0;
  });
  if (probe) probe->join();
  std::vector<std::uint32_t> processors;
  for (std::uint32_t processor = 0; known && processor < ProcessorMask::size(); ++processor) {
    if (granted.has(processor)) processors.push_back(processor);
  }
  return processors;
}

Result<> bindToProcessor(pthread_t thread, std::uint32_t processor) {
  int number = EINVAL;
  if (processor < ProcessorMask::size()) {
    ProcessorMask mask;
    mask.add(processor);
    number = ::pthread_setaffinity_np(thread, ProcessorMask::bytes(), mask.data());
  }
  if (number == 0) return {};
  errno = number;
  Error error =
      Error::fromErrno("sched_setaffinity", "a thread could not be bound to processor " + std::to_string(processor));
  if (number == EINVAL) {
    const std::string allowed = rangesText(bindableProcessors());
    error.code = Code::Option;
    error.message = "no thread of this process may run on processor " + std::to_string(processor);
    if (!allowed.empty()) error.message += "; allowed are " + allowed;
  }
  return error;
}

Result<> runOnProcessor(std::uint32_t processor, const std::function<void()>& body) {
  Result<> bound;
  auto thread = Thread::start("ringtap open", [&] {
    bound = bindToProcessor(::pthread_self(), processor);
    if (bound) body();
  });
  if (!thread) return std::move(thread.error());
  thread->join();
  return bound;
}

}  // namespace ringtap
