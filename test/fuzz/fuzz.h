// Shared by the fuzz targets.
#pragma once

#include <cstdio>
#include <cstdlib>

// Prints a message and aborts if the condition is false; the fuzzer reports the abort as a finding.
#define EXPECT(...)                                                                  \
  do {                                                                               \
    if (!(__VA_ARGS__)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #__VA_ARGS__); \
      std::abort();                                                                  \
    }                                                                                \
  } while (false)
