// Readings of a clock in seconds, for the programs of this folder.
#pragma once

#include <time.h>

// CLOCK_MONOTONIC, or CLOCK_PROCESS_CPUTIME_ID for the processor time of all threads of the process.
inline double clockSeconds(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}
