// Converts lib/savefile/savefile-form.ts to a SavefileForm, and a CompleteFile to JavaScript.
#pragma once

#include <string>
#include <vector>

#include "binding/util/js.h"
#include "core/savefile/savefile_writer.h"

namespace ringtap::binding {

[[nodiscard]] std::vector<std::string> texts(const js::Value& list);
[[nodiscard]] SavefileForm savefileForm(const js::Object& options);
// NativeCompleteFile in lib/savefile/native.ts.
[[nodiscard]] js::Object toJs(js::Env env, const CompleteFile& file);

}  // namespace ringtap::binding
