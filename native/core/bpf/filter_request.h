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
  // What a later compilation may do better: the link types this one knows of, and whether it had to do without a device
  // for the kernel's extensions (filter.h).
  std::vector<std::uint16_t> linkTypes;
  bool extensionsMissing = false;
};

// Compiles the expression into the spec, for the link types that may appear at any time and whatever else is there now,
// or is captured on beside the interfaces (`more`). Slow; belongs in the capture's network namespace.
Result<> compile(FilterRequest& request, const InterfaceMonitor& monitor, std::span<const std::uint16_t> more = {});

// What to tell of a filter that cannot be put for devices of a link type that are captured.
[[nodiscard]] std::string refusalWarning(const LinkTypeFilter& filter);

}  // namespace ringtap
