// The exports of the addon that exist on Linux alone.
#include <cstdint>
#include <utility>

#include "binding/util/exports.h"
#include "core/send/send_tally.h"

namespace ringtap::binding {

void initLinux(js::Env env, js::Object exports) {
  initCapture(env, exports);
  initProbe(env, exports);
  initInterfaces(env, exports);
  initPeers(env, exports);
  initOwners(env, exports);
  initInject(env, exports);
  initReplay(env, exports);
}

void addLinuxLayouts(js::Env env, js::Object layouts) {
  const auto of = [](Refusal refusal) { return static_cast<std::int64_t>(refusal); };
  auto refusals = js::Object::New(env);
  const std::pair<const char*, std::int64_t> entries[] = {
      {"None", of(Refusal::None)},
      {"TooShort", of(Refusal::TooShort)},
      {"TooLong", of(Refusal::TooLong)},
      {"InterfaceDown", of(Refusal::InterfaceDown)},
      {"InterfaceGone", of(Refusal::InterfaceGone)},
      {"NoRoom", of(Refusal::NoRoom)},
      {"Truncated", of(Refusal::Truncated)},
      {"LinkType", of(Refusal::LinkType)},
      {"Checksum", of(Refusal::Checksum)},
      {"Other", of(Refusal::Other)},
  };
  for (const auto& [name, value] : entries) refusals.Set(name, js::Number::New(env, static_cast<double>(value)));
  layouts.Set("Refusal", refusals);
}

}  // namespace ringtap::binding
