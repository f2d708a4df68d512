// Changes to a running capture: the filter, the address sets, the connections and the sampling. Each is prepared off
// the event loop and then applied.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "binding/util/js.h"
#include "core/bpf/address_filter.h"
#include "core/bpf/connection_filter.h"
#include "core/bpf/filter_request.h"
#include "core/bpf/sample_filter.h"
#include "core/capture/capture.h"
#include "core/linux/netns.h"
#include "core/util/result.h"

namespace ringtap::binding {

struct CaptureChange {
  std::function<Result<>()> prepare;            // off the event loop
  std::function<Result<>(Capture&)> apply;      // skipped if the capture was closed in the meantime
  std::function<js::Value(js::Env)> outcome{};  // makes the promise's value; unset: undefined
};

// Replaces the user's filter by `request`, which is compiled for the link types `present`. `within`: the capture's
// network namespace; null: the process's. The outcome is filterState().
[[nodiscard]] CaptureChange filterChange(FilterRequest request, std::shared_ptr<const Namespace> within,
                                         std::vector<std::uint16_t> present);

// Replaces the address sets. `maps`: as of AddressFilter::create().
[[nodiscard]] CaptureChange addressChange(AddressLists lists, bool maps);

// Replaces the excluded connections. `maps`: as of ConnectionFilter::create().
[[nodiscard]] CaptureChange connectionChange(ConnectionList list, bool maps);

// Replaces the sampling; null: every flow.
[[nodiscard]] CaptureChange sampleChange(std::shared_ptr<const SampleFilter> sample);

// The state of an active filter, as a NativeFilterState of lib/capture/native.ts.
[[nodiscard]] js::Object filterState(js::Env env, const FilterRequest& filter);

}  // namespace ringtap::binding
