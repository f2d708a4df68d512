#include "binding/capture/capture_change.h"

#include <utility>

#include "binding/util/convert.h"
#include "core/filter/filter.h"

namespace ringtap::binding {

CaptureChange filterChange(FilterRequest request, std::shared_ptr<const Namespace> within,
                           std::vector<std::uint16_t> present) {
  auto shared = std::make_shared<FilterRequest>(std::move(request));
  return {
      .prepare =
          [shared, within = std::move(within), present = std::move(present)] {
            // The namespace is of use only then, and entering it needs a privilege.
            const bool enter = needsKernelExtensions(shared->expression.value_or(""));
            return inNamespace(enter ? within : std::shared_ptr<const Namespace>(),
                               [&] { return compile(*shared, present); });
          },
      .apply = [shared](Capture& capture) { return capture.setFilter(shared->spec, shared->expression.value_or("")); },
      .outcome = [shared](js::Env env) { return filterState(env, *shared); }};
}

CaptureChange addressChange(AddressLists lists, bool maps) {
  auto addresses = std::make_shared<std::shared_ptr<const AddressFilter>>();
  return {.prepare = [addresses, lists = std::move(lists), maps]() -> Result<> {
            auto created = AddressFilter::create(lists, maps);
            if (!created) return created.error();
            *addresses = std::move(*created);
            return {};
          },
          .apply = [addresses](Capture& capture) { return capture.setAddresses(std::move(*addresses)); }};
}

CaptureChange connectionChange(ConnectionList list, bool maps) {
  auto connections = std::make_shared<std::shared_ptr<const ConnectionFilter>>();
  return {.prepare = [connections, list = std::move(list), maps]() -> Result<> {
            auto created = ConnectionFilter::create(list, maps);
            if (!created) return created.error();
            *connections = std::move(*created);
            return {};
          },
          .apply = [connections](Capture& capture) { return capture.setConnections(std::move(*connections)); }};
}

CaptureChange sampleChange(std::shared_ptr<const SampleFilter> sample) {
  return {.prepare = [] { return Result<>{}; },
          .apply = [sample = std::move(sample)](Capture& capture) { return capture.setSample(sample); }};
}

js::Object filterState(js::Env env, const FilterRequest& filter) {
  js::Object state = js::Object::New(env);
  state.Set("warnings", toJs(env, filter.warnings));
  state.Set("refusals", listOf(env, filter.refusals, [env](const FilterRequest::Refusal& one) {
              js::Object refusal = js::Object::New(env);
              refusal.Set("linkType", js::Number::New(env, one.linkType));
              refusal.Set("warning", js::String::New(env, one.warning));
              return refusal;
            }));
  state.Set("linkTypes", listOf(env, filter.linkTypes, [env](double type) { return js::Number::New(env, type); }));
  state.Set("extensionsMissing", filter.extensionsMissing);
  return state;
}

}  // namespace ringtap::binding
