// What the reader of a savefile tells, for JavaScript (NativeSavefileEvent, lib/savefile/native.ts).
#pragma once

#include "binding/util/js.h"
#include "core/savefile/savefile_reader.h"

namespace ringtap::binding {

[[nodiscard]] js::Value savefileEventToJs(js::Env env, const SavefileEvent& event);

}  // namespace ringtap::binding
