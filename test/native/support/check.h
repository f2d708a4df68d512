// A minimal test harness. The test files of a folder are one program (test/native/units.mjs).
//
//   TEST(name) { CHECK(1 + 1 == 2); }
//
// A test that cannot run here calls SKIP("why") and ends. Skips are printed and counted, and are failures if CI or
// RINGTAP_REQUIRE_LIVE is set (to anything but 0, false or the empty string).
//
// This header defines main(): include it in exactly one unit of the program. The exit code is 1 if a check failed. With
// arguments, only those tests run whose name contains one of them, or whose file one of them names (without .cpp).
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace check {

struct Test {
  const char* name;
  void (*run)();
  const char* file;
};

inline std::vector<Test> tests;
inline bool failing = false;  // a check of the current test has failed
inline std::string skipped;   // why the current test was skipped
inline std::string skipAll;   // why all tests of this program are skipped; set by a static initialiser

struct Registration {
  Registration(const Test& test) { tests.push_back(test); }
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
    const std::string_view file(test.file);
    if (std::strstr(test.name, argv[i]) || file.ends_with("/" + std::string(argv[i]) + ".cpp")) return true;
  }
  return argc < 2;
}

}  // namespace check

#define TEST(name)                                                           \
  static void name();                                                        \
  static const check::Registration register_##name({#name, name, __FILE__}); \
  static void name()

// Reports a failure and continues, so that one run shows all failures. Limits the reports per source line.
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
  if (passed + failed + skipped == 0) {
    std::fprintf(stderr, "no test and no file of tests has this name\n");
    return 1;
  }
  return failed == 0 && (skipped == 0 || !check::skippingFails()) ? 0 : 1;
}
