// What a POSIX extended regular expression costs regcomp and regexec, from its text alone.
//
// regcomp bounds neither its time nor its memory nor its stack: it recurses at each parenthesis, copies the operand of
// a counted repetition, and follows every path that matches the empty string; with back-references regexec may take
// exponential time, or crash. The limits were chosen by measuring glibc 2.36 on random patterns that were built to be
// expensive: within all of them the slowest compiled in some 50 ms and 100 MiB, nearly all in less than 1 ms. All
// counts are those with counted repetitions written out. The limits are far above what names of interfaces need.
#pragma once

#include <string>

namespace ringtap {

struct PatternLimits {
  static constexpr size_t kLength = 16384;        // bytes
  static constexpr size_t kDepth = 50;            // parentheses inside one another
  static constexpr size_t kSize = 20000;          // characters and brackets
  static constexpr size_t kChoices = 2000;        // `|`, `?`, `*`, and what counted repetitions leave open
  static constexpr size_t kEmptyLoops = 4;        // repetitions without a bound of what may be empty: (a*)*
  static constexpr size_t kLoopedChoices = 50;    // choices inside those
  static constexpr size_t kEmptyAssertions = 8;   // `^`, `$`, `\b` and the like in groups that may be empty
  static constexpr size_t kReferences = 2;        // back-references; none of them repeated
  static constexpr size_t kReferencingSize = 64;  // kSize of a pattern with back-references
  static constexpr size_t kReferencingName = 15;  // bytes of a name that such a pattern can match: IFNAMSIZ less NUL
};

struct PatternCost {
  // Why it is refused, as a sentence; empty where it is within the limits. An expression that regcomp refuses may pass.
  std::string excess;
  bool references = false;  // it has back-references
};

[[nodiscard]] PatternCost patternCost(const std::string& expression);

}  // namespace ringtap
