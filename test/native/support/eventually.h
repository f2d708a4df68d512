// Waits for the effects of another thread.
#pragma once

#include <chrono>
#include <thread>

namespace support {

// Polls until the condition holds and returns true; returns false after a generous timeout.
template <typename Holds>
bool eventually(Holds&& holds) {
  using namespace std::chrono_literals;
  for (const auto end = std::chrono::steady_clock::now() + 60s; !holds(); std::this_thread::sleep_for(1ms)) {
    if (std::chrono::steady_clock::now() > end) return false;
  }
  return true;
}

}  // namespace support
