// Descriptors that a library opens without close-on-exec, such as libpcap's sockets.
//
// A fork(2) of another thread copies the process's table of descriptors at any moment, and the program that the child
// executes inherits every descriptor in it without FD_CLOEXEC. To set the flag after the library has returned leaves a
// window. Here the library runs on a thread whose table is its own; what it leaves open is passed into the process's
// table with the flag set, under the same numbers, which the library has stored.
#pragma once

#include <functional>

#include "core/util/result.h"

namespace ringtap {

// Runs `open` on a thread of its own, in the caller's network namespace and with its privileges, and waits for it. The
// descriptors that it leaves open, at most 16 at any time, are the process's when this returns. `open` must not use
// descriptors of the process: they are not in the thread's table.
//
// Where the kernel refuses the thread a table of its own (before Linux 5.9, in a container without CAP_SYS_ADMIN),
// `open` runs in the process's table, and the caller has to set FD_CLOEXEC.
//
// An error: no thread or too few descriptor numbers, and `open` was not called; or its descriptors could not be passed
// on. In that case the numbers are taken by descriptors without use until the caller has closed them, as it closes what
// it has opened.
[[nodiscard]] Result<> openPrivately(const std::function<void()>& open);

}  // namespace ringtap
