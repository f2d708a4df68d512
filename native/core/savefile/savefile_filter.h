// The user's filter on a savefile, which is compiled for each link type and byte order in which packets appear.
//
// Used by the reader's thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/filter/filter_instruction.h"
#include "core/util/result.h"

namespace ringtap {

class SavefileFilter {
 public:
  // No expression: every packet matches. `warn` takes a message for the user.
  SavefileFilter(std::optional<std::string> expression, std::function<void(std::string)> warn);

  // Whether the expression is valid for any link type, before the file's link types are known. FilterSyntax: for none.
  [[nodiscard]] Result<> check() const;
  // The program for packets of this link type, in a section of this byte order; valid as long as this object. Null:
  // every packet matches. Where the expression cannot be applied to the link type, the program matches none, and the
  // user is warned, for each of the first such link types.
  [[nodiscard]] Result<const FilterProgram*> programFor(std::uint16_t linkType, bool bigEndian);

 private:
  const std::optional<std::string> expression_;
  const std::function<void(std::string)> warn_;
  std::map<std::pair<std::uint16_t, bool>, std::unique_ptr<FilterProgram>> programs_;  // by link type and byte order
  std::size_t otherTypes_ = 0;  // link types to which the expression cannot be applied
};

}  // namespace ringtap
