// Including this header runs the whole test program in its own network namespace: loopback up, IPv6 off, removed on
// exit.
//
// Uses `unshare -n` as root, and a user namespace otherwise. If neither is available, every test of the program is
// skipped. The program is restarted through unshare(1), because a process with threads (the thread sanitizer has one)
// may not change its user namespace.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "support/check.h"

namespace support {

inline std::string networkNamespace() {
  char name[64];
  const ssize_t length = ::readlink("/proc/self/ns/net", name, sizeof name);
  return std::string(name, length > 0 ? static_cast<std::size_t>(length) : 0);
}

inline bool shell(const std::string& command) { return std::system(command.c_str()) == 0; }

// Runs ip(8) in the test's namespace, never in the initial one.
inline void ip(const std::string& arguments) {
  if (!check::skipAll.empty()) std::abort();
  CHECK(shell("ip " + arguments));
}

inline std::vector<std::string> ownArguments() {
  std::vector<std::string> arguments;
  if (FILE* file = std::fopen("/proc/self/cmdline", "r")) {
    std::string one;
    for (int c; (c = std::fgetc(file)) != EOF;) {
      if (c != 0) {
        one += static_cast<char>(c);
        continue;
      }
      arguments.push_back(std::exchange(one, {}));
    }
    std::fclose(file);
  }
  return arguments;
}

inline bool enterNamespace() {
  constexpr const char* kOutside = "RINGTAP_NATIVE_OUTSIDE";
  const char* outside = std::getenv(kOutside);
  if (outside != nullptr && networkNamespace() != outside) {
    for (const char* scope : {"all", "default"}) {
      (void)shell(std::string("echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/") + scope + "/disable_ipv6");
    }
    if (!shell("ip link set lo up")) check::skipAll = "ip(8) does not work here";
    return true;
  }
  for (const char* way : {"-n", "-rn"}) {
    if (!shell(std::string("unshare ") + way + " true 2>/dev/null")) continue;
    ::setenv(kOutside, networkNamespace().c_str(), 1);
    std::vector<std::string> command{"unshare", way};
    for (auto& each : ownArguments()) command.push_back(std::move(each));
    std::vector<char*> pointers;
    for (auto& each : command) pointers.push_back(each.data());
    pointers.push_back(nullptr);
    ::execvp("unshare", pointers.data());
  }
  check::skipAll = "no network namespace can be made (unshare -n, unshare -rn)";
  return false;
}

inline const bool insideNamespace = enterNamespace();

}  // namespace support
