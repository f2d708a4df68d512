// Interfaces and their events as JavaScript objects.
#pragma once

#include <unordered_map>

#include "binding/util/js.h"
#include "core/links/interface_book.h"
#include "core/links/interface_info.h"

namespace ringtap::binding {

// A NetworkInterface (lib/interfaces/network-interface.ts), frozen.
[[nodiscard]] js::Object toJs(js::Env env, const InterfaceInfo& info);

// { type: 'added' | 'removed' | 'renamed' | 'changed', interface, previous? }: NativeInterfaceEvent in
// lib/interfaces/native.ts.
[[nodiscard]] js::Object toJs(js::Env env, const InterfaceEvent& event);

// One JavaScript object per description of a book, as long as the book or a queued event refers to the description. A
// packet's interface is therefore the same object as the event's.
class InterfaceObjects {
 public:
  [[nodiscard]] js::Object of(js::Env env, const InterfaceDescription& interface);
  // As toJs() above.
  [[nodiscard]] js::Object of(js::Env env, const BookedEvent& event);

 private:
  struct Entry {
    std::weak_ptr<const InterfaceInfo> interface;
    js::ObjectReference object;
  };

  std::unordered_map<const InterfaceInfo*, Entry> objects_;
  std::size_t purgeAt_ = 64;  // the number of entries at which those without a description are removed
};

}  // namespace ringtap::binding
