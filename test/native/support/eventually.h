// Waiting for what another thread does.
#pragma once

#include <chrono>
#include <thread>

namespace support {

// Whether it holds, now or before long; false after far too long.
template <typename Holds>
bool eventually(Holds&& holds) {
  using namespace std::chrono_literals;
  for (const auto end = std::chrono::steady_clock::now() + 60s; !holds(); std::this_thread::sleep_for(1ms)) {
    if (std::chrono::steady_clock::now() > end) return false;
  }
  return true;
}

}  // namespace support
