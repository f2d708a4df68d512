#include "core/links/pattern.h"

#include <optional>

#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/js.h"

namespace ringtap::binding {

namespace {

// new Pattern(expression): throws ERR_PATTERN, the message being the reason alone. matches(name): boolean.
// Called only by lib/interfaces/pattern.ts, which has checked the types.
class PatternWrap : public js::ObjectWrap<PatternWrap> {
 public:
  static js::Function define(js::Env env) {
    return DefineClass(env, "Pattern", {InstanceMethod<&PatternWrap::matches>("matches")});
  }

  explicit PatternWrap(const js::CallbackInfo& info) {
    if (!info[0].IsString()) {
      throwError(info.Env(), Error{.code = Code::Pattern, .message = "an expression was expected"});
      return;
    }
    auto compiled = Pattern::compile(info[0].As<js::String>().Utf8Value());
    if (!compiled) {
      throwError(info.Env(), compiled.error());
      return;
    }
    pattern_.emplace(std::move(*compiled));
  }

 private:
  js::Value matches(const js::CallbackInfo& info) {
    if (!info[0].IsString()) {
      throwError(info.Env(), Error{.code = Code::Option, .message = "a name was expected"});
      return {};
    }
    return js::Boolean::New(info.Env(), pattern_->matches(info[0].As<js::String>().Utf8Value()));
  }

  std::optional<Pattern> pattern_;  // unset only after a constructor that threw
};

}  // namespace

void initPattern(js::Env env, js::Object exports) { exports.Set("Pattern", PatternWrap::define(env)); }

}  // namespace ringtap::binding
