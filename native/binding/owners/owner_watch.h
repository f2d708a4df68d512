// The class OwnerWatch, as options of a recording name it.
#pragma once

#include <memory>

#include "binding/util/js.h"
#include "core/owners/owner_source.h"

namespace ringtap::binding {

// Behind an OwnerWatchHandle (lib/owners/native.ts). Null for any other value, and once the watch is closed.
[[nodiscard]] std::shared_ptr<OwnerSource> ownerSourceOf(const js::Value& value);

}  // namespace ringtap::binding
