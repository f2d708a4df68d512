// Patterns: compiled on a thread of their own for what is asynchronous, and on JavaScript's thread otherwise.
#include "core/patterns/pattern.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "binding/util/convert.h"
#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/js.h"
#include "binding/util/run_async.h"

namespace ringtap::binding {

namespace {

using PatternHandle = js::External<Pattern>;

struct CompiledList {
  std::vector<Pattern> patterns;  // up to the first that is refused
  std::optional<Error> failure;
};

// The work of compilePatterns(). A list may be long: stop() ends it at the next pattern.
class ListCompiler {
 public:
  explicit ListCompiler(std::vector<std::string> expressions) : expressions_(std::move(expressions)) {}

  Result<CompiledList> operator()() {
    CompiledList list;
    for (const std::string& expression : expressions_) {
      if (*stopped_) return Error{.code = Code::Closed, .message = "the work was stopped"};
      auto compiled = Pattern::compile(expression);
      if (!compiled) {
        list.failure = std::move(compiled.error());
        break;
      }
      list.patterns.push_back(std::move(*compiled));
    }
    return list;
  }
  void stop() { *stopped_ = true; }

 private:
  std::vector<std::string> expressions_;
  std::shared_ptr<std::atomic<bool>> stopped_ = std::make_shared<std::atomic<bool>>(false);
};

js::Value newHandle(js::Env env, Pattern pattern) {
  return PatternHandle::New(env, std::make_unique<Pattern>(std::move(pattern)));
}

// compilePatterns(expressions: string[]): Promise<{ patterns: handle[], failure?: CaptureError }>. `failure` is the
// error of the first expression that is refused, the message being the reason alone; `patterns` are those before it.
js::Value compileList(const js::CallbackInfo& info) {
  return runAsync(
      info.Env(), "ringtap pattern", ListCompiler(textsOf(info[0])),
      [](js::Env env, Result<CompiledList>& list) -> Result<js::Value> {
        if (!list) return std::move(list.error());
        auto result = js::Object::New(env);
        auto handles = js::Array::New(env, list->patterns.size());
        for (std::uint32_t i = 0; i < list->patterns.size(); ++i) {
          // Without a scope of their own the handles of a long list would all be open at the same time.
          const js::HandleScope scope(env);
          handles.Set(i, newHandle(env, std::move(list->patterns[i])));
        }
        result.Set("patterns", handles);
        if (list->failure) result.Set("failure", toJs(env, *list->failure));
        return result;
      },
      Where::OwnThread);
}

// compilePattern(expression: string): handle. Throws the error that compilePatterns() would return.
js::Value compileOne(const js::CallbackInfo& info) {
  auto compiled = Pattern::compile(info[0].As<js::String>().Utf8Value());
  if (!compiled) {
    throwError(info.Env(), compiled.error());
    return {};
  }
  return newHandle(info.Env(), std::move(*compiled));
}

// patternMatches(handle, name: string): boolean
js::Value patternMatches(const js::CallbackInfo& info) {
  const Pattern* pattern = handleOf<Pattern>(info[0], "a pattern");
  if (pattern == nullptr) return {};
  return js::Boolean::New(info.Env(), pattern->matches(info[1].As<js::String>().Utf8Value()));
}

}  // namespace

void initPattern(js::Env env, js::Object exports) {
  exportFunction(env, exports, "compilePattern", compileOne);
  exportFunction(env, exports, "compilePatterns", compileList);
  exportFunction(env, exports, "patternMatches", patternMatches);
}

}  // namespace ringtap::binding
