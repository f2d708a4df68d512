#include "binding/savefile/savefile_form.h"

namespace ringtap::binding {

SavefileForm savefileForm(const Fields& options) {
  SavefileForm form;
  form.format = static_cast<SavefileFormat>(options.number("format"));
  form.nanoseconds = options.flag("nanoseconds");
  form.snapLength = options.number("snapLength");
  form.section = SavefileSection::here(options.text("application"));
  form.section.comments = options.texts("comments");
  return form;
}

js::Object toJs(js::Env env, const CompleteFile& file) {
  js::Object object = js::Object::New(env);
  object.Set("path", file.path);
  object.Set("packets", file.counts.packets);
  object.Set("packetBytes", file.counts.packetBytes);
  object.Set("bytes", file.counts.bytes);
  object.Set("firstTimestamp", js::BigInt::New(env, file.counts.firstTimestamp));
  object.Set("lastTimestamp", js::BigInt::New(env, file.counts.lastTimestamp));
  return object;
}

}  // namespace ringtap::binding
