// Selects the interfaces of a capture by name or by extended regular expression: the part of a selection that needs no
// JavaScript. lib/interfaces/selection.ts applies the same rules and explains them.
#pragma once

#include <string>
#include <vector>

#include "core/links/interface_info.h"
#include "core/patterns/pattern.h"
#include "core/util/result.h"

namespace ringtap {

class InterfaceSelection {
 public:
  // Interfaces with one of these names, alternative names included.
  [[nodiscard]] static InterfaceSelection byNames(std::vector<std::string> names);
  // Selects interfaces that match a pattern of `include` (every interface if it is empty) and no pattern of `exclude`.
  // Loopback devices are selected only if `loopback` is true. Code::Pattern if a pattern cannot be compiled.
  [[nodiscard]] static Result<InterfaceSelection> byPatterns(const std::vector<std::string>& include,
                                                             const std::vector<std::string>& exclude, bool loopback);

  [[nodiscard]] bool selects(const InterfaceInfo& info) const;
  // Whether a change of the interface's description may change the result of selects().
  [[nodiscard]] bool dependsOn(const InterfaceInfo& before, const InterfaceInfo& now) const {
    return before.name != now.name || (!names_.empty() && before.alternativeNames != now.alternativeNames);
  }

 private:
  std::vector<std::string> names_;  // if not empty, the patterns are ignored
  std::vector<Pattern> include_;
  std::vector<Pattern> exclude_;
  bool loopback_ = false;
};

}  // namespace ringtap
