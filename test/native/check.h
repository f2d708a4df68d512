// The smallest test harness that does: one file of tests is one program.
//
//   TEST(name) { CHECK(1 + 1 == 2); }
//
// main() is here: include this header in exactly one file of the program. Exit code 1 when a check has failed.
#pragma once

#include <cstdio>
#include <vector>

namespace check {

struct Test {
  const char* name;
  void (*run)();
};

inline std::vector<Test> tests;
inline bool failing = false;  // a check of the current test has failed

struct Registration {
  Registration(const char* name, void (*run)()) { tests.push_back({name, run}); }
};

}  // namespace check

#define TEST(name)                                               \
  static void name();                                            \
  static const check::Registration register_##name(#name, name); \
  static void name()

// Reports and goes on, so that one run shows all that is wrong.
#define CHECK(...)                                                                         \
  do {                                                                                     \
    if (!(__VA_ARGS__)) {                                                                  \
      check::failing = true;                                                               \
      std::fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #__VA_ARGS__); \
    }                                                                                      \
  } while (false)

int main() {
  int failed = 0;
  for (const check::Test& test : check::tests) {
    check::failing = false;
    test.run();
    if (!check::failing) continue;
    ++failed;
    std::fprintf(stderr, "not ok: %s\n", test.name);
  }
  std::printf("%d passed, %d failed\n", static_cast<int>(check::tests.size()) - failed, failed);
  return failed == 0 ? 0 : 1;
}
