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

// RT_SCOPE_*: the kernel leaves the values between to administrators; they count as the next named one below.
const char* scopeName(std::uint8_t scope) {
  if (scope < RT_SCOPE_SITE) return "global";
  if (scope < RT_SCOPE_LINK) return "site";
  if (scope < RT_SCOPE_HOST) return "link";
  if (scope < RT_SCOPE_NOWHERE) return "host";
  return "nowhere";
}

Napi::Object toJs(Napi::Env env, const InterfaceAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(address.family, address.bytes.data(), text, sizeof text);
  Napi::Object object = Napi::Object::New(env);
  object.Set("family", Napi::Number::New(env, address.family == AF_INET ? 4 : 6));
  object.Set("address", Napi::String::New(env, text));
  object.Set("prefixLength", Napi::Number::New(env, address.prefixLength));
  object.Set("scope", Napi::String::New(env, scopeName(address.scope)));
  object.Freeze();
  return object;
}

// Text, or undefined where there is none.
Napi::Value textOrNone(Napi::Env env, const std::string& text) {
  return text.empty() ? env.Undefined() : Napi::Value(Napi::String::New(env, text));
}

Napi::Value numberOrNone(Napi::Env env, bool there, double number) {
  return there ? Napi::Value(Napi::Number::New(env, number)) : env.Undefined();
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

Napi::Object toJs(Napi::Env env, const InterfaceInfo& info) {
  const auto number = [env](double value) { return Napi::Number::New(env, value); };
  const auto flag = [env, &info](unsigned bit) { return Napi::Boolean::New(env, (info.flags & bit) != 0); };

  Napi::Array names = Napi::Array::New(env, info.alternativeNames.size());
  for (std::uint32_t i = 0; i < info.alternativeNames.size(); ++i) {
    names.Set(i, Napi::String::New(env, info.alternativeNames[i]));
  }
  names.Freeze();
  Napi::Array addresses = Napi::Array::New(env, info.addresses.size());
  for (std::uint32_t i = 0; i < info.addresses.size(); ++i) addresses.Set(i, toJs(env, info.addresses[i]));
  addresses.Freeze();

  const std::uint16_t linkType = info.linkType.value_or(linkTypeOf(info.hardwareType));
  Napi::Object object = Napi::Object::New(env);
  object.Set("index", number(info.index));
  object.Set("name", Napi::String::New(env, info.name));
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

Napi::Object toJs(Napi::Env env, const InterfaceEvent& event) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("type", Napi::String::New(env, typeName(event.change)));
  object.Set("interface", toJs(env, event.current));
  if (event.change == InterfaceChange::Renamed || event.change == InterfaceChange::Changed) {
    object.Set("previous", toJs(env, event.previous));
  }
  return object;
}

Napi::Object InterfaceObjects::of(Napi::Env env, const InterfaceDescription& interface) {
  Entry& entry = objects_[interface.get()];
  // Another description may have stood at the same address before.
  if (entry.interface.lock() == interface) return entry.object.Value();
  const Napi::Object object = toJs(env, *interface);
  entry.interface = interface;
  entry.object = Napi::Persistent(object);
  if (objects_.size() >= purgeAt_) {
    std::erase_if(objects_, [](const auto& one) { return one.second.interface.expired(); });
    purgeAt_ = std::max<std::size_t>(64, 2 * objects_.size());
  }
  return object;
}

Napi::Object InterfaceObjects::of(Napi::Env env, const BookedEvent& event) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("type", Napi::String::New(env, typeName(event.change)));
  object.Set("interface", of(env, event.current));
  if (event.previous) object.Set("previous", of(env, event.previous));
  return object;
}

}  // namespace ringtap::binding
