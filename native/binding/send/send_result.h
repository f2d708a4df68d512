// The result of sending as a JavaScript object.
#pragma once

#include "binding/util/convert.h"
#include "binding/util/js.h"
#include "core/send/send_tally.h"

namespace ringtap::binding {

// { sent, bytes, refusals: { cause, errno, count, positions }[] }: NativeTally in lib/send/native.ts.
[[nodiscard]] inline js::Object toJs(js::Env env, const SendTally& tally) {
  auto result = js::Object::New(env);
  result.Set("sent", tally.sent());
  result.Set("bytes", tally.bytes());
  result.Set("refusals", listOf(env, tally.refusals(), [env](const RefusalCount& refusal) {
               auto one = js::Object::New(env);
               one.Set("cause", static_cast<int>(refusal.cause));
               one.Set("errno", refusal.number);
               one.Set("count", refusal.count);
               one.Set("positions", listOf(env, refusal.positions, [env](std::uint64_t position) {
                         return js::Number::New(env, static_cast<double>(position));
                       }));
               return one;
             }));
  return result;
}

}  // namespace ringtap::binding
