// What the reader of a savefile tells, for JavaScript (NativeFileNews, lib/native/native-savefile.ts).
#pragma once

#include <napi.h>

#include "core/savefile/savefile_reader.h"

namespace ringtap::binding {

[[nodiscard]] Napi::Value newsToJs(Napi::Env env, const SavefileNews& news);

}  // namespace ringtap::binding
