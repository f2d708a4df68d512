#include "core/links/interface_selection.h"

#include <net/if.h>

#include <algorithm>
#include <utility>

namespace ringtap {

namespace {

bool anyMatches(const std::vector<Pattern>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const Pattern& one) { return one.matches(name); });
}

Result<> compileAll(const std::vector<std::string>& expressions, std::vector<Pattern>& into) {
  for (const std::string& expression : expressions) {
    auto pattern = Pattern::compile(expression);
    if (!pattern) return std::move(pattern.error());
    into.push_back(std::move(*pattern));
  }
  return {};
}

}  // namespace

InterfaceSelection InterfaceSelection::byNames(std::vector<std::string> names) {
  InterfaceSelection selection;
  selection.names_ = std::move(names);
  return selection;
}

Result<InterfaceSelection> InterfaceSelection::byPatterns(const std::vector<std::string>& include,
                                                          const std::vector<std::string>& exclude, bool loopback) {
  InterfaceSelection selection;
  selection.loopback_ = loopback;
  if (auto compiled = compileAll(include, selection.include_); !compiled) return std::move(compiled.error());
  if (auto compiled = compileAll(exclude, selection.exclude_); !compiled) return std::move(compiled.error());
  return selection;
}

bool InterfaceSelection::selects(const InterfaceInfo& info) const {
  if (!names_.empty()) {
    return std::any_of(names_.begin(), names_.end(), [&](const std::string& name) {
      const auto& others = info.alternativeNames;
      return name == info.name || std::find(others.begin(), others.end(), name) != others.end();
    });
  }
  if ((info.flags & IFF_LOOPBACK) != 0 && !loopback_) return false;
  if (anyMatches(exclude_, info.name)) return false;
  return include_.empty() || anyMatches(include_, info.name);
}

}  // namespace ringtap
