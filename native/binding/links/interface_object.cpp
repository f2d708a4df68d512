#include "binding/links/interface_object.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <string>

#include "core/util/link_type.h"

namespace ringtap::binding {

namespace {

std::string hexAddress(const std::vector<std::uint8_t>& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 3);
  for (const std::uint8_t byte : bytes) {
    if (!text.empty()) text += ':';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

// RT_SCOPE_*. The values in between are free for administrators; they map to the next named one below.
const char* scopeName(std::uint8_t scope) {
  if (scope < RT_SCOPE_SITE) return "global";
  if (scope < RT_SCOPE_LINK) return "site";
  if (scope < RT_SCOPE_HOST) return "link";
  if (scope < RT_SCOPE_NOWHERE) return "host";
  return "nowhere";
}

js::Object addressObject(js::Env env, const InterfaceAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(address.family, address.bytes.data(), text, sizeof text);
  js::Object object = js::Object::New(env);
  object.Set("family", js::Number::New(env, address.family == AF_INET ? 4 : 6));
  object.Set("address", js::String::New(env, text));
  object.Set("prefixLength", js::Number::New(env, address.prefixLength));
  object.Set("scope", js::String::New(env, scopeName(address.scope)));
  object.Freeze();
  return object;
}

// The text, or undefined if it is empty.
js::Value textOrNone(js::Env env, const std::string& text) {
  return text.empty() ? env.Undefined() : js::Value(js::String::New(env, text));
}

js::Value numberOrNone(js::Env env, bool there, double number) {
  return there ? js::Value(js::Number::New(env, number)) : env.Undefined();
}

const char* typeName(InterfaceChange change) {
  switch (change) {
    case InterfaceChange::Added: return "added";
    case InterfaceChange::Removed: return "removed";
    case InterfaceChange::Renamed: return "renamed";
    case InterfaceChange::Changed: return "changed";
  }
  return "changed";
}

}  // namespace

js::Object toJs(js::Env env, const InterfaceInfo& info) {
  const auto number = [env](double value) { return js::Number::New(env, value); };
  const auto flag = [env, &info](unsigned bit) { return js::Boolean::New(env, (info.flags & bit) != 0); };

  js::Array names = js::Array::New(env, info.alternativeNames.size());
  for (std::uint32_t i = 0; i < info.alternativeNames.size(); ++i) {
    names.Set(i, js::String::New(env, info.alternativeNames[i]));
  }
  names.Freeze();
  js::Array addresses = js::Array::New(env, info.addresses.size());
  for (std::uint32_t i = 0; i < info.addresses.size(); ++i) addresses.Set(i, addressObject(env, info.addresses[i]));
  addresses.Freeze();

  const std::uint16_t linkType = info.linkType.value_or(linkTypeOf(info.hardwareType));
  js::Object object = js::Object::New(env);
  object.Set("index", number(info.index));
  object.Set("name", js::String::New(env, info.name));
  object.Set("alternativeNames", names);
  object.Set("kind", textOrNone(env, info.kind));
  object.Set("linkType", numberOrNone(env, linkType != kLinkTypeUnknown, linkType));
  object.Set("hardwareType", number(info.hardwareType));
  object.Set("address", textOrNone(env, hexAddress(info.address)));
  object.Set("mtu", number(info.mtu));
  object.Set("up", flag(IFF_UP));
  object.Set("running", flag(IFF_RUNNING));
  object.Set("loopback", flag(IFF_LOOPBACK));
  object.Set("promiscuous", flag(IFF_PROMISC));
  object.Set("addresses", addresses);
  object.Set("master", numberOrNone(env, info.master != 0, info.master));
  object.Set("peerIndex", numberOrNone(env, info.peerIndex != 0, info.peerIndex));
  object.Set("peerNetnsId", numberOrNone(env, info.peerNetnsId >= 0, info.peerNetnsId));
  object.Set("generation", number(info.generation));
  object.Freeze();
  return object;
}

js::Object toJs(js::Env env, const InterfaceEvent& event) {
  js::Object object = js::Object::New(env);
  object.Set("type", js::String::New(env, typeName(event.change)));
  object.Set("interface", toJs(env, event.current));
  if (event.change == InterfaceChange::Renamed || event.change == InterfaceChange::Changed) {
    object.Set("previous", toJs(env, event.previous));
  }
  return object;
}

js::Object InterfaceObjects::of(js::Env env, const InterfaceDescription& interface) {
  Entry& entry = objects_[interface.get()];
  // The check is needed because another description may have had the same address before.
  if (entry.interface.lock() == interface) return entry.object.Value();
  const js::Object object = toJs(env, *interface);
  entry.interface = interface;
  entry.object = js::Persistent(object);
  if (objects_.size() >= purgeAt_) {
    std::erase_if(objects_, [](const auto& one) { return one.second.interface.expired(); });
    purgeAt_ = std::max<std::size_t>(64, 2 * objects_.size());
  }
  return object;
}

js::Object InterfaceObjects::of(js::Env env, const BookedEvent& event) {
  js::Object object = js::Object::New(env);
  object.Set("type", js::String::New(env, typeName(event.change)));
  object.Set("interface", of(env, event.current));
  if (event.previous) object.Set("previous", of(env, event.previous));
  return object;
}

}  // namespace ringtap::binding
