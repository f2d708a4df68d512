// Threads bound to one processor (sched_setaffinity(2)).
//
// A thread may be bound to any processor of its process's cpuset (cpuset(7)), also to those outside the mask that the
// process was started with: to isolated ones, or to others than taskset(1) or systemd's CPUAffinity named.
#pragma once

#include <pthread.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "core/util/result.h"

namespace ringtap {

// Ascending. Empty if the kernel does not say.
[[nodiscard]] std::vector<std::uint32_t> bindableProcessors();

// Code::Option: the thread may not run there, or there is no such processor; the message names those where it may.
Result<> bindToProcessor(pthread_t thread, std::uint32_t processor);

// Runs `body` on a thread of its own that is bound to the processor, and waits for its end. What the kernel allocates
// for it comes from the memory of the processor's NUMA node, unless the process has another policy
// (set_mempolicy(2)). Errors are those of bindToProcessor() and Thread::start(); `body` was not called then.
Result<> runOnProcessor(std::uint32_t processor, const std::function<void()>& body);

}  // namespace ringtap
