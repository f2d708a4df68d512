// Interfaces and their events as JavaScript sees them.
#pragma once

#include <napi.h>

#include "core/links/interface_info.h"

namespace ringtap::binding {

// A NetworkInterface (lib/interfaces/network-interface.ts), frozen.
[[nodiscard]] Napi::Object toJs(Napi::Env env, const InterfaceInfo& info);

// { type: 'added' | 'removed' | 'renamed' | 'changed', interface, previous? }: NativeInterfaceEvent in
// lib/native/native.ts.
[[nodiscard]] Napi::Object toJs(Napi::Env env, const InterfaceEvent& event);

}  // namespace ringtap::binding
