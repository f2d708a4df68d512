// A POSIX extended regular expression over interface names, compiled once (regex(7), regcomp(3)).
//
// As in egrep, a pattern matches anywhere in the name unless it is anchored; `\<`, `\w` and back-references are
// extensions of the C library. A pattern that grep -E accepts and regcomp does not (a leading `*`, `a{x`) is refused.
//
// Locale: regcomp and regexec follow LC_CTYPE and LC_COLLATE of the calling thread. Node never calls setlocale, but an
// embedder (Electron) or another addon may. The selection must not depend on that, so both always run in the "C"
// locale: ranges are by byte value, classes ([[:alpha:]]) are ASCII, and `.` matches one byte. A non-ASCII character in
// an interface name is therefore two to four characters, the bytes of its UTF-8.
//
// Time, memory and stack are bounded: patterns that are expensive for regcomp or regexec are refused (pattern_cost.h).
#pragma once

#include <regex.h>

#include <memory>
#include <string>

#include "core/util/result.h"

namespace ringtap {

// Immutable. Several threads may call matches() concurrently: regexec locks the compiled expression.
class Pattern {
 public:
  // Code::Pattern, with regerror's text as the message, if regcomp refuses the expression. Also refused:
  // - an embedded NUL, because regcomp would stop there;
  // - a newline: grep treats it as "or", regcomp as a character that no interface name can contain (dev_valid_name(),
  //   net/core/dev.c), so the pattern would never match;
  // - an expression that exceeds PatternLimits.
  [[nodiscard]] static Result<Pattern> compile(const std::string& expression);

  // True if the pattern matches anywhere in `name`. A name with an embedded NUL never matches, nor one that is longer
  // than PatternLimits::kName, or kReferencingName if the pattern has back-references.
  [[nodiscard]] bool matches(const std::string& name) const;

 private:
  struct Free {
    void operator()(regex_t* regex) const;
  };
  // On the heap: POSIX does not allow a compiled regex_t to be moved.
  using Handle = std::unique_ptr<regex_t, Free>;

  Pattern(Handle regex, size_t longestName) : regex_(std::move(regex)), longestName_(longestName) {}

  Handle regex_;
  size_t longestName_;
};

}  // namespace ringtap
