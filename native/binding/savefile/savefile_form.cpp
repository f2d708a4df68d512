#include "binding/savefile/savefile_form.h"

namespace ringtap::binding {

std::vector<std::string> texts(const js::Value& list) {
  std::vector<std::string> found;
  if (!list.IsArray()) return found;
  const auto array = list.As<js::Array>();
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    found.push_back(array.Get(i).As<js::String>().Utf8Value());
  }
  return found;
}

SavefileForm savefileForm(const js::Object& options) {
  SavefileForm form;
  form.format = static_cast<SavefileFormat>(options.Get("format").As<js::Number>().Uint32Value());
  form.nanoseconds = options.Get("nanoseconds").As<js::Boolean>().Value();
  form.snapLength = options.Get("snapLength").As<js::Number>().Uint32Value();
  form.section = SavefileSection::here(options.Get("application").As<js::String>().Utf8Value());
  form.section.comments = texts(options.Get("comments"));
  return form;
}

js::Object toJs(js::Env env, const CompleteFile& file) {
  const auto number = [env](std::uint64_t value) { return js::Number::New(env, static_cast<double>(value)); };
  js::Object object = js::Object::New(env);
  object.Set("path", js::String::New(env, file.path));
  object.Set("packets", number(file.counts.packets));
  object.Set("packetBytes", number(file.counts.packetBytes));
  object.Set("bytes", number(file.counts.bytes));
  object.Set("firstTimestamp", js::BigInt::New(env, file.counts.firstTimestamp));
  object.Set("lastTimestamp", js::BigInt::New(env, file.counts.lastTimestamp));
  return object;
}

}  // namespace ringtap::binding
