// The result of sending as a JavaScript object.
#pragma once

#include "binding/util/js.h"
#include "core/send/send_tally.h"

namespace ringtap::binding {

// { sent, bytes, refusals: { cause, errno, count, positions }[] }: NativeTally in lib/send/native.ts.
[[nodiscard]] inline js::Object toJs(js::Env env, const SendTally& tally) {
  const auto number = [env](std::uint64_t value) { return js::Number::New(env, static_cast<double>(value)); };
  auto result = js::Object::New(env);
  result.Set("sent", number(tally.sent()));
  result.Set("bytes", number(tally.bytes()));
  auto refusals = js::Array::New(env, tally.refusals().size());
  std::uint32_t at = 0;
  for (const RefusalCount& refusal : tally.refusals()) {
    auto one = js::Object::New(env);
    one.Set("cause", js::Number::New(env, static_cast<int>(refusal.cause)));
    one.Set("errno", js::Number::New(env, refusal.number));
    one.Set("count", number(refusal.count));
    auto positions = js::Array::New(env, refusal.positions.size());
    for (std::uint32_t i = 0; i < refusal.positions.size(); ++i) positions.Set(i, number(refusal.positions[i]));
    one.Set("positions", positions);
    refusals.Set(at++, one);
  }
  result.Set("refusals", refusals);
  return result;
}

}  // namespace ringtap::binding
