// Estimates from the text of a POSIX extended regular expression what it costs regcomp and regexec.
//
// regcomp bounds neither its time nor its memory nor its stack: it recurses at each parenthesis, copies the operand of
// a counted repetition, and follows every path that matches the empty string; with back-references regexec may take
// exponential time, or crash. The estimate comes first, so that the limits do not depend on the C library. All counts
// are made with counted repetitions expanded. The limits are far above what interface names need.
//
// They were chosen by measuring patterns built to be expensive. With glibc 2.36 the costliest that are accepted take 90
// ms and 32 MB to compile, and with musl 1.2.3 half a second and 250 MB. musl (TRE) bounds nothing but repetitions, at
// 255: it makes a transition for each pair of characters that may follow each other, and searches those of the first
// character one by one: kTransitions and kCopied are for that. Both recurse: up to 300 KiB of stack.
#pragma once

#include <string>

namespace ringtap {

struct PatternLimits {
  static constexpr size_t kLength = 16384;        // bytes
  static constexpr size_t kName = 255;            // bytes of a name that can match: files have names of any length
  static constexpr size_t kDepth = 50;            // nested parentheses
  static constexpr size_t kSize = 20000;          // characters and brackets
  static constexpr size_t kChoices = 2000;        // `|`, `?`, `*`, optional repetitions, and possibly empty groups
  static constexpr size_t kTransitions = 100000;  // pairs of characters of which one may follow the other
  static constexpr size_t kCopied = 4500000;      // characters that may begin or end a part, summed over all parts
  static constexpr size_t kEmptyLoops = 4;        // unbounded repetitions of a possibly empty operand: (a*)*
  static constexpr size_t kLoopedChoices = 50;    // choices inside such repetitions
  static constexpr size_t kEmptyAssertions = 8;   // `^`, `$`, `\b` and similar in possibly empty groups
  static constexpr size_t kPaths = 100000;        // ways to pass parts that may be empty, if there are anchors or (a*)*
  static constexpr size_t kReferences = 2;        // back-references; none may be repeated
  static constexpr size_t kReferencingSize = 64;  // replaces kSize if there are back-references
  static constexpr size_t kReferencingName = 15;  // bytes of a name such a pattern can match: IFNAMSIZ minus NUL
};

struct PatternCost {
  // Why the expression is refused, as a sentence; empty if it is within the limits. Syntax is not checked: an
  // expression that regcomp refuses may pass.
  std::string excess;
  bool references = false;  // it has back-references
};

[[nodiscard]] PatternCost patternCost(const std::string& expression);

}  // namespace ringtap
