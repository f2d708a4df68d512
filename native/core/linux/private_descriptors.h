// Keeps descriptors that a library opens without close-on-exec, such as libpcap's sockets, from being inherited.
//
// Another thread may fork(2) at any moment, and the program that the child executes inherits every descriptor without
// FD_CLOEXEC. Setting the flag after the library has returned is too late. Instead, the library runs on a thread with
// its own descriptor table. The descriptors that it leaves open are then moved to the process's table with the flag
// set, under the same numbers, because the library has stored those.
#pragma once

#include <functional>

#include "core/util/result.h"

namespace ringtap {

// Runs `open` on a new thread, in the caller's network namespace and with its privileges, and waits for it. The
// descriptors that `open` leaves open belong to the process on return. It may have at most 16 open at any time, and
// must not use descriptors of the process: they are not in the thread's table.
//
// If the kernel refuses a separate table (before Linux 5.9, in a container without CAP_SYS_ADMIN), `open` runs with the
// process's table, and the caller has to set FD_CLOEXEC.
//
// Errors: no thread, or too few free descriptor numbers; `open` was not called. Or the descriptors could not be moved;
// then placeholder descriptors occupy their numbers until the caller closes them the way it closes what `open` opened.
[[nodiscard]] Result<> openPrivately(const std::function<void()>& open);

}  // namespace ringtap
