#include "core/links/pattern.h"

#include <optional>

#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/js.h"

namespace ringtap::binding {

namespace {

// new Pattern(expression): throws ERR_PATTERN, the message being the bare reason. matches(name): boolean.
// lib/interfaces/pattern.ts is its one caller and has checked the types.
class PatternWrap : public Napi::ObjectWrap<PatternWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Pattern", {InstanceMethod<&PatternWrap::matches>("matches")});
  }

  explicit PatternWrap(const Napi::CallbackInfo& info) {
    if (!info[0].IsString()) {
      throwError(info.Env(), Error{.code = Code::Pattern, .message = "an expression was expected"});
      return;
    }
    auto compiled = Pattern::compile(info[0].As<Napi::String>().Utf8Value());
    if (!compiled) {
      throwError(info.Env(), compiled.error());
      return;
    }
    pattern_.emplace(std::move(*compiled));
  }

 private:
  Napi::Value matches(const Napi::CallbackInfo& info) {
    if (!info[0].IsString()) {
      throwError(info.Env(), Error{.code = Code::Option, .message = "a name was expected"});
      return {};
    }
    return Napi::Boolean::New(info.Env(), pattern_->matches(info[0].As<Napi::String>().Utf8Value()));
  }

  std::optional<Pattern> pattern_;  // empty only while a constructor that threw is on its way out
};

}  // namespace

void initPattern(Napi::Env env, Napi::Object exports) { exports.Set("Pattern", PatternWrap::define(env)); }

}  // namespace ringtap::binding
