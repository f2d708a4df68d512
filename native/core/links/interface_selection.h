// Which interfaces a capture selects, where names and extended regular expressions alone decide: the part of a
// selection that needs no JavaScript (lib/interfaces/selection.ts, which applies the same rules and explains them).
#pragma once

#include <string>
#include <vector>

#include "core/links/interface_info.h"
#include "core/links/pattern.h"
#include "core/util/result.h"

namespace ringtap {

class InterfaceSelection {
 public:
  // Interfaces with one of these names, alternative names included.
  [[nodiscard]] static InterfaceSelection byNames(std::vector<std::string> names);
  // Interfaces that a pattern of `include` matches (all where it is empty), and none of `exclude`. Loopback devices
  // only with `loopback`. Code::Pattern for a pattern that cannot be compiled.
  [[nodiscard]] static Result<InterfaceSelection> byPatterns(const std::vector<std::string>& include,
                                                             const std::vector<std::string>& exclude, bool loopback);

  [[nodiscard]] bool selects(const InterfaceInfo& info) const;

 private:
  std::vector<std::string> names_;  // where not empty, nothing else counts
  std::vector<Pattern> include_;
  std::vector<Pattern> exclude_;
  bool loopback_ = false;
};

}  // namespace ringtap
