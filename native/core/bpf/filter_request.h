// A capture's filter while it is compiled.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/bpf/cbpf_program.h"
#include "core/util/result.h"

namespace ringtap {

struct FilterRequest {
  std::optional<std::string> expression;  // none: everything matches
  FilterSpec spec;                        // snapshot length and direction are given
  std::vector<std::string> warnings;
  // The link types that the expression cannot be compiled for, each with the warning for a captured device of it.
  struct Refusal {
    std::uint16_t linkType;
    std::string warning;
  };
  std::vector<Refusal> refusals;
  // When to compile again: the link types that this compilation covers, and whether a device for the kernel's
  // extensions was missing (filter.h).
  std::vector<std::uint16_t> linkTypes;
  bool extensionsMissing = false;
};

// Compiles the expression into the spec, for the usual link types and those in `present`. A blank expression is none.
// Slow; call it in the capture's network namespace.
Result<> compile(FilterRequest& request, std::span<const std::uint16_t> present);

// The warning about a filter that cannot be compiled for the link type of a captured device.
[[nodiscard]] std::string refusalWarning(const LinkTypeFilter& filter);

}  // namespace ringtap
