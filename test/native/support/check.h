// The smallest test harness that does: one file of tests is one program.
//
//   TEST(name) { CHECK(1 + 1 == 2); }
//
// A test that cannot run here says SKIP("why") and ends: that is loud and counted, and a failure where CI or
// RINGTAP_REQUIRE_LIVE is set (not to 0, false or nothing).
//
// main() is here: include this header in exactly one file of the program. Exit code 1 when a check has failed. With
// arguments, only the tests whose names contain one of them run.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace check {

struct Test {
  const char* name;
  void (*run)();
};

inline std::vector<Test> tests;
inline bool failing = false;  // a check of the current test has failed
inline std::string skipped;   // why the current test does not run
inline std::string skipAll;   // why none of this program does; for a static initialiser to set

struct Registration {
  Registration(const char* name, void (*run)()) { tests.push_back({name, run}); }
};

inline bool skippingFails() {
  for (const char* name : {"CI", "RINGTAP_REQUIRE_LIVE"}) {
    const char* value = std::getenv(name);
    if (value && *value && std::strcmp(value, "0") != 0 && std::strcmp(value, "false") != 0) return true;
  }
  return false;
}

inline bool wanted(const Test& test, int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::strstr(test.name, argv[i])) return true;
  }
  return argc < 2;
}

}  // namespace check

#define TEST(name)                                               \
  static void name();                                            \
  static const check::Registration register_##name(#name, name); \
  static void name()

// Reports and goes on, so that one run shows all that is wrong; the same line again only a few times.
#define CHECK(...)                                                                           \
  do {                                                                                       \
    static int reports = 0;                                                                  \
    if (!(__VA_ARGS__)) {                                                                    \
      check::failing = true;                                                                 \
      if (reports++ < 3) {                                                                   \
        std::fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #__VA_ARGS__); \
      }                                                                                      \
    }                                                                                        \
  } while (false)

#define SKIP(reason)         \
  do {                       \
    check::skipped = reason; \
    return;                  \
  } while (false)

int main(int argc, char** argv) {
  int passed = 0, failed = 0, skipped = 0;
  for (const check::Test& test : check::tests) {
    if (!check::wanted(test, argc, argv)) continue;
    check::failing = false;
    check::skipped = check::skipAll;
    if (check::skipped.empty()) test.run();
    if (check::failing) {
      ++failed;
      std::fprintf(stderr, "not ok: %s\n", test.name);
    } else if (!check::skipped.empty()) {
      ++skipped;
      std::fprintf(stderr, "*** NOT RUN: %s: %s\n", test.name, check::skipped.c_str());
    } else {
      ++passed;
    }
  }
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed == 0 && (skipped == 0 || !check::skippingFails()) ? 0 : 1;
}
