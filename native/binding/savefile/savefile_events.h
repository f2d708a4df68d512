// The events of a savefile's reader as JavaScript objects (NativeSavefileEvent, lib/savefile/native.ts).
#pragma once

#include "binding/util/js.h"
#include "core/savefile/savefile_reader.h"

namespace ringtap::binding {

[[nodiscard]] js::Value savefileEventToJs(js::Env env, const SavefileEvent& event);

}  // namespace ringtap::binding
