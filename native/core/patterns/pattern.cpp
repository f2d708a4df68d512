#include "core/patterns/pattern.h"

#include <locale.h>
#ifdef __APPLE__
#include <xlocale.h>  // newlocale(), uselocale()
#endif

#include "core/patterns/pattern_cost.h"

namespace ringtap {

namespace {

// Sets the calling thread's locale to "C" for a scope. glibc and musl both return a static object for "C", so this does
// not allocate and cannot fail for lack of memory.
class CLocale {
 public:
  CLocale() : locale_(newlocale(LC_ALL_MASK, "C", nullptr)) {
    if (locale_) previous_ = uselocale(locale_);
  }
  CLocale(const CLocale&) = delete;
  CLocale& operator=(const CLocale&) = delete;
  ~CLocale() {
    if (!locale_) return;
    uselocale(previous_);
    freelocale(locale_);
  }

 private:
  locale_t locale_;
  locale_t previous_{};
};

Error refused(std::string reason) { return Error{Code::Pattern, std::move(reason)}; }

}  // namespace

void Pattern::Free::operator()(regex_t* regex) const {
  regfree(regex);
  delete regex;
}

Result<Pattern> Pattern::compile(const std::string& expression) {
  if (expression.find('\0') != std::string::npos) return refused("It contains a NUL character");
  if (expression.find('\n') != std::string::npos)
    return refused("It contains a newline, and no interface name does; give several patterns as a list");

  PatternCost cost = patternCost(expression);
  if (!cost.excess.empty()) return refused(std::move(cost.excess));

  const CLocale locale;
  auto regex = std::make_unique<regex_t>();
  const int failure = regcomp(regex.get(), expression.c_str(), REG_EXTENDED | REG_NOSUB);
  if (failure != 0) {
    // No regfree: after a failed regcomp the contents of regex_t are undefined.
    char reason[256];
    regerror(failure, regex.get(), reason, sizeof reason);
    return refused(reason);
  }
  return Pattern(Handle(regex.release()), cost.references ? PatternLimits::kReferencingName : PatternLimits::kName);
}

bool Pattern::matches(const std::string& name) const {
  if (name.size() > longestName_ || name.find('\0') != std::string::npos) return false;
  const CLocale locale;
  return regexec(regex_.get(), name.c_str(), 0, nullptr, 0) == 0;
}

}  // namespace ringtap
