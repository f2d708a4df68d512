// A POSIX extended regular expression over interface names, compiled once (regex(7), regcomp(3)).
//
// Read as egrep reads it: searched for anywhere in the name, not matched whole; `\<`, `\w` and back-references are the
// C library's extensions. Where regcomp is stricter than grep -E (a leading `*`, `a{x`), the pattern is refused rather
// than read in one of two ways.
//
// The locale: regcomp and regexec follow LC_CTYPE and LC_COLLATE of the calling thread. Node itself never calls
// setlocale, so that is "C", but an embedder (Electron) or another addon may. What a sensor captures must not depend on
// that, so both run in the "C" locale always: ranges are by byte value, the classes ([[:alpha:]]) are ASCII, and `.` is
// one byte, so that a character beyond ASCII in an interface name counts as its two to four bytes of UTF-8.
//
// Time, memory and stack are bounded: what regcomp or regexec would take long for is refused (pattern_cost.h).
#pragma once

#include <regex.h>

#include <memory>
#include <string>

#include "core/util/result.h"

namespace ringtap {

// Immutable. Any thread may call matches(), several at once too: regexec locks the compiled expression.
class Pattern {
 public:
  // Code::Pattern with regerror's text as the message. Refused besides: an embedded NUL, at which regcomp would stop
  // reading, and a newline, which grep takes for "or" and regcomp for a character that no interface name can hold
  // (net/core/dev.c, dev_valid_name): an exclude list with one would be inert. Refused as well: more than PatternLimits
  // allow.
  [[nodiscard]] static Result<Pattern> compile(const std::string& expression);

  // Whether it is found anywhere in `name`. A name with an embedded NUL matches nothing, and a pattern with
  // back-references no name that is longer than those of network devices (PatternLimits::kReferencingName).
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
