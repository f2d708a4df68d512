// A filter on its way from an expression to a capture.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/bpf/cbpf_program.h"
#include "core/links/interface_monitor.h"
#include "core/util/result.h"

namespace ringtap {

struct FilterRequest {
  std::optional<std::string> expression;  // none: everything matches
  FilterSpec spec;                        // snapshot length and direction are given
  std::vector<std::string> warnings;
  // Why to compile again later: the link types that this compilation covers, and whether no device was there for the
  // kernel's extensions (filter.h).
  std::vector<std::uint16_t> linkTypes;
  bool extensionsMissing = false;
};

// Compiles the expression into the spec, for the link types that may appear at any time and whatever else is there now,
// or is captured on beside the interfaces (`more`). Slow; belongs in the capture's network namespace.
Result<> compile(FilterRequest& request, const InterfaceMonitor& monitor, std::span<const std::uint16_t> more = {});

// The warning about a filter that cannot be expressed for the link type of a captured device.
[[nodiscard]] std::string refusalWarning(const LinkTypeFilter& filter);

}  // namespace ringtap
