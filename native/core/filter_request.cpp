#include "core/filter_request.h"

#include <algorithm>

#include "core/filter.h"
#include "core/link_type.h"

namespace ringtap {

Result<> compile(FilterRequest& request, const InterfaceMonitor& monitor) {
  if (!request.expression) return {};
  std::vector<std::uint16_t> linkTypes(std::begin(kUsualLinkTypes), std::end(kUsualLinkTypes));
  const auto& known = monitor.interfaces();
  for (const auto& [index, info] : known) {
    const std::uint16_t linkType = linkTypeOf(info.hardwareType);
    const bool listed = std::find(linkTypes.begin(), linkTypes.end(), linkType) != linkTypes.end();
    if (linkType != kLinkTypeUnknown && !listed) linkTypes.push_back(linkType);
  }
  auto compiled =
      compileForLinkTypes(*request.expression, request.spec.snapshotLength, FilterExtensions::Kernel, linkTypes);
  if (!compiled) return compiled.error();
  for (const LinkTypeFilter& filter : compiled->filters) {
    // Only worth a word where such a device is: the usual link types are compiled in advance.
    const bool present = std::any_of(known.begin(), known.end(), [&](const auto& entry) {
      return linkTypeOf(entry.second.hardwareType) == filter.linkType;
    });
    if (filter.refusal.empty() || !present) continue;
    request.warnings.push_back("the filter cannot be applied to devices of link type " +
                               std::to_string(filter.linkType) + ", nothing is captured on them: " + filter.refusal);
  }
  request.linkTypes = std::move(linkTypes);
  request.extensionsMissing = compiled->extensionsMissing;
  request.spec.filtered = true;
  request.spec.programs = std::move(compiled->filters);
  if (compiled->extensionsMissing) {
    request.warnings.push_back(
        "the filter asks for VLAN tags, but no Ethernet device of the namespace is up: until one is, it does "
        "not match tags that the kernel has taken out of the packets");
  }
  return {};
}

}  // namespace ringtap
