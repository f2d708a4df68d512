#include "core/bpf/filter_request.h"

#include <algorithm>

#include "core/bpf/filter.h"
#include "core/util/link_type.h"

namespace ringtap {

Result<> compile(FilterRequest& request, const InterfaceMonitor& monitor, std::span<const std::uint16_t> more) {
  if (!request.expression) return {};
  std::vector<std::uint16_t> linkTypes(std::begin(kUsualLinkTypes), std::end(kUsualLinkTypes));
  std::vector<std::uint16_t> present(more.begin(), more.end());
  for (const auto& [index, info] : monitor.interfaces()) present.push_back(linkTypeOf(info.hardwareType));
  const auto contains = [](const std::vector<std::uint16_t>& list, std::uint16_t linkType) {
    return std::find(list.begin(), list.end(), linkType) != list.end();
  };
  for (const std::uint16_t linkType : present) {
    if (linkType != kLinkTypeUnknown && !contains(linkTypes, linkType)) linkTypes.push_back(linkType);
  }
  auto compiled = compileForLinkTypes(*request.expression, request.spec.snapshotLength, FilterInput::Socket, linkTypes);
  if (!compiled) return compiled.error();
  for (const LinkTypeFilter& filter : compiled->filters) {
    // Warn only if such a device is present: the usual link types are always compiled.
    if (!filter.refusal.empty() && contains(present, filter.linkType)) {
      request.warnings.push_back(refusalWarning(filter));
    }
  }
  request.linkTypes = std::move(linkTypes);
  request.extensionsMissing = compiled->extensionsMissing;
  request.spec.filtered = true;
  request.spec.expression = *request.expression;
  request.spec.programs = std::move(compiled->filters);
  if (compiled->extensionsMissing) {
    request.warnings.push_back(
        "the filter asks for VLAN tags, but no Ethernet device of the namespace is up: until one is, it does "
        "not match tags that the kernel has taken out of the packets");
  }
  return {};
}

std::string refusalWarning(const LinkTypeFilter& filter) {
  return "the filter cannot be applied to devices of link type " + std::to_string(filter.linkType) +
         ", nothing is captured on them: " + filter.refusal;
}

}  // namespace ringtap
