// Converts lib/savefile/savefile-form.ts to a SavefileForm, and a CompleteFile to JavaScript.
#pragma once

#include "binding/util/convert.h"
#include "binding/util/js.h"
#include "core/savefile/savefile_writer.h"

namespace ringtap::binding {

[[nodiscard]] SavefileForm savefileForm(const Fields& options);
// NativeCompleteFile in lib/savefile/native.ts.
[[nodiscard]] js::Object toJs(js::Env env, const CompleteFile& file);

}  // namespace ringtap::binding
