// What the fuzz targets share.
#pragma once

#include <cstdio>
#include <cstdlib>

// Ends the process with a message where the condition does not hold: that is how a fuzzer is told.
#define EXPECT(...)                                                                  \
  do {                                                                               \
    if (!(__VA_ARGS__)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #__VA_ARGS__); \
      std::abort();                                                                  \
    }                                                                                \
  } while (false)
