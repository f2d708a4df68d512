#include "binding/savefile/savefile_form.h"

namespace ringtap::binding {

std::vector<std::string> texts(const Napi::Value& list) {
  std::vector<std::string> found;
  if (!list.IsArray()) return found;
  const auto array = list.As<Napi::Array>();
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    found.push_back(array.Get(i).As<Napi::String>().Utf8Value());
  }
  return found;
}

SavefileForm savefileForm(const Napi::Object& options) {
  SavefileForm form;
  form.format = static_cast<SavefileFormat>(options.Get("format").As<Napi::Number>().Uint32Value());
  form.nanoseconds = options.Get("nanoseconds").As<Napi::Boolean>().Value();
  form.snapLength = options.Get("snapLength").As<Napi::Number>().Uint32Value();
  form.section = SavefileSection::here(options.Get("application").As<Napi::String>().Utf8Value());
  form.section.comments = texts(options.Get("comments"));
  return form;
}

Napi::Object toJs(Napi::Env env, const CompleteFile& file) {
  const auto number = [env](std::uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); };
  Napi::Object object = Napi::Object::New(env);
  object.Set("path", Napi::String::New(env, file.path));
  object.Set("packets", number(file.counts.packets));
  object.Set("packetBytes", number(file.counts.packetBytes));
  object.Set("bytes", number(file.counts.bytes));
  object.Set("firstTimestamp", Napi::BigInt::New(env, file.counts.firstTimestamp));
  object.Set("lastTimestamp", Napi::BigInt::New(env, file.counts.lastTimestamp));
  return object;
}

}  // namespace ringtap::binding
