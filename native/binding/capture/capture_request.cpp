#include "binding/capture/capture_request.h"

#include <utility>

#include "core/links/interface_monitor.h"
#include "core/util/link_type.h"

namespace ringtap::binding {

namespace {

Result<InterfaceSelection> compile(SelectionRequest& selection) {
  if (!selection.names.empty()) return InterfaceSelection::byNames(std::move(selection.names));
  return InterfaceSelection::byPatterns(selection.include, selection.exclude, selection.loopback);
}

std::optional<SelectionRequest> selectionOf(const js::Value& value) {
  if (!value.IsObject()) return std::nullopt;
  const Fields given(value);
  return SelectionRequest{given.texts("names"), given.texts("include"), given.texts("exclude"), given.flag("loopback")};
}

}  // namespace

std::shared_ptr<const SampleFilter> sampleOf(const js::Value& value) {
  if (!value.IsObject()) return nullptr;
  const Fields given(value);
  return std::make_shared<const SampleFilter>(Sample{given.number("below"), given.number("seed")});
}

OpenRequest openRequest(const Fields& options, const js::Value& selection) {
  OpenRequest request;
  CaptureConfig& config = request.config;
  config.ring.blockSize = options.number("blockSize");
  config.ring.blockCount = options.number("blockCount");
  config.ring.maxDelayMilliseconds = options.number("maxDelay");
  config.layout = {options.number("ringCount"), static_cast<Sharing>(options.number("sharing")),
                   options.numbers("processors")};
  if (const std::uint32_t group = options.number("groupId"); group != 0) {
    config.ring.group = {static_cast<std::uint16_t>(group), static_cast<std::uint16_t>(options.number("groupType"))};
  }
  config.ring.hardwareTimestamps = options.flag("hardwareTimestamps");
  config.overflowMemory = options.large("overflowMemory");
  config.backend = options.flag("pcap") ? Backend::Pcap : Backend::Ring;
  config.pcap.memory = options.large("pcapMemory");
  config.pcap.maxDelayMilliseconds = options.number("maxDelay");
  config.pcap.names = options.texts("names");
  config.hotplug = options.flag("hotplug");
  config.promiscuous = options.flag("promiscuous");
  config.dedupe = options.flag("dedupe");
  if (const js::Value cutoff = options["cutoff"]; cutoff.IsObject()) {
    const Fields given(cutoff);
    config.cutoff = CutoffOptions{given.large("bytes"), given.large("packets"), given.large("idle") * 1'000'000,
                                  given.number("flows")};
  }
  config.filterMode = static_cast<FilterMode>(options.number("table"));
  request.filter.spec.snapshotLength = options.number("snapshotLength");
  request.filter.spec.sample = sampleOf(options["sample"]);
  request.filter.spec.slice = static_cast<Slice>(options.number("slice"));
  request.filter.spec.direction = static_cast<Direction>(options.number("direction"));
  request.filter.expression = options.optionalText("filter");
  request.addresses.exclude.text = options.text("excludeHosts");
  request.addresses.include.text = options.text("includeHosts");
  request.connections.text = options.text("excludeConnections");
  request.copying = options.flag("copying");
  request.netns = options.text("netns");
  config.pcap.netns = request.netns;
  request.selection = selectionOf(selection);
  return request;
}

namespace {

Result<std::unique_ptr<Capture>> openHere(OpenRequest& request, std::function<void()> wake) {
  const bool maps = request.config.backend == Backend::Ring && triesEbpf(request.config.filterMode);
  auto addresses = AddressFilter::create(request.addresses, maps);
  if (!addresses) return addresses.error();
  request.filter.spec.addresses = std::move(*addresses);
  auto connections = ConnectionFilter::create(request.connections, maps);
  if (!connections) return connections.error();
  request.filter.spec.connections = std::move(*connections);
  if (request.selection) {
    auto selection = compile(*request.selection);
    if (!selection) return selection.error();
    request.config.selection = std::make_shared<const InterfaceSelection>(std::move(*selection));
  }
  auto monitor = InterfaceMonitor::open();
  if (!monitor) return monitor.error();
  std::vector<std::uint16_t> present;
  for (const auto& [index, info] : monitor->interfaces()) present.push_back(linkTypeOf(info.hardwareType));
  if (auto compiled = compile(request.filter, present); !compiled) return compiled.error();
  request.config.filter = std::move(request.filter.spec);
  return Capture::open(request.config, std::move(*monitor), std::move(wake));
}

}  // namespace

Result<std::unique_ptr<Capture>> openCapture(OpenRequest& request, std::function<void()> wake) {
  if (!request.netns.empty()) {
    auto netns = Namespace::at(request.netns);
    if (!netns) return netns.error();
    request.within = std::make_shared<const Namespace>(std::move(*netns));
  }
  return inNamespace(request.within, [&] { return openHere(request, std::move(wake)); });
}

}  // namespace ringtap::binding
