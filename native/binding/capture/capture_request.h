// What a capture is opened with, and the opening itself.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "binding/util/convert.h"
#include "binding/util/js.h"
#include "core/bpf/address_filter.h"
#include "core/bpf/connection_filter.h"
#include "core/bpf/filter_request.h"
#include "core/bpf/sample_filter.h"
#include "core/capture/capture.h"
#include "core/linux/netns.h"
#include "core/util/result.h"

namespace ringtap::binding {

// A selection by names or expressions only: NativeSelection in lib/interfaces/native.ts.
struct SelectionRequest {
  std::vector<std::string> names, include, exclude;
  bool loopback = false;
};

struct OpenRequest {
  CaptureConfig config;
  std::optional<SelectionRequest> selection;
  FilterRequest filter;
  AddressLists addresses;
  ConnectionList connections;
  std::string netns;                        // "": the caller's
  std::shared_ptr<const Namespace> within;  // opened at that path; null until then
  bool copying = false;
};

// `options`: NativeCaptureOptions (lib/capture/native.ts); `selection`: NativeSelection, or undefined.
[[nodiscard]] OpenRequest openRequest(const Fields& options, const js::Value& selection);

// `value`: NativeSample (lib/capture/native.ts), or undefined: null.
[[nodiscard]] std::shared_ptr<const SampleFilter> sampleOf(const js::Value& value);

// Compiles the filter and the selection and opens the capture, in the network namespace of the request, which is then
// `within`. Blocks: call it off the event loop.
// `wake` is the capture's: see Capture::open().
[[nodiscard]] Result<std::unique_ptr<Capture>> openCapture(OpenRequest& request, std::function<void()> wake);

}  // namespace ringtap::binding
