#include "core/bpf/filter_request.h"

#include <algorithm>

#include "core/bpf/socket_filter.h"
#include "core/util/link_type.h"

namespace ringtap {

Result<> compile(FilterRequest& request, std::span<const std::uint16_t> present) {
  if (!request.expression || isBlank(*request.expression)) return {};
  std::vector<std::uint16_t> linkTypes(std::begin(kUsualLinkTypes), std::end(kUsualLinkTypes));
  for (const std::uint16_t linkType : present) {
    const bool listed = std::find(linkTypes.begin(), linkTypes.end(), linkType) != linkTypes.end();
    if (linkType != kLinkTypeUnknown && !listed) linkTypes.push_back(linkType);
  }
  auto compiled = compileSocketFilters(*request.expression, request.spec.snapshotLength, linkTypes);
  if (!compiled) return compiled.error();
  for (const LinkTypeFilter& filter : compiled->filters) {
    if (!filter.refusal.empty()) request.refusals.push_back({filter.linkType, refusalWarning(filter)});
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
