// What lib/savefile/savefile-form.ts says of a savefile's form.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "core/savefile/savefile_writer.h"

namespace ringtap::binding {

[[nodiscard]] std::vector<std::string> texts(const Napi::Value& list);
[[nodiscard]] SavefileForm savefileForm(const Napi::Object& options);

}  // namespace ringtap::binding
