// A sender's ledger as JavaScript sees it.
#pragma once

#include "binding/util/js.h"
#include "core/send/send_tally.h"

namespace ringtap::binding {

// { sent, bytes, refusals: { cause, errno, count, positions }[] }: NativeTally in lib/send/native.ts.
[[nodiscard]] inline Napi::Object toJs(Napi::Env env, const SendTally& tally) {
  const auto number = [env](std::uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); };
  auto result = Napi::Object::New(env);
  result.Set("sent", number(tally.sent()));
  result.Set("bytes", number(tally.bytes()));
  auto refusals = Napi::Array::New(env, tally.refusals().size());
  std::uint32_t at = 0;
  for (const RefusalCount& refusal : tally.refusals()) {
    auto one = Napi::Object::New(env);
    one.Set("cause", Napi::Number::New(env, static_cast<int>(refusal.cause)));
    one.Set("errno", Napi::Number::New(env, refusal.number));
    one.Set("count", number(refusal.count));
    auto positions = Napi::Array::New(env, refusal.positions.size());
    for (std::uint32_t i = 0; i < refusal.positions.size(); ++i) positions.Set(i, number(refusal.positions[i]));
    one.Set("positions", positions);
    refusals.Set(at++, one);
  }
  result.Set("refusals", refusals);
  return result;
}

}  // namespace ringtap::binding
