#include "binding/savefile/savefile_events.h"

#include <cstring>
#include <variant>
#include <vector>

namespace ringtap::binding {

namespace {

Napi::Value bytesOf(Napi::Env env, const std::vector<std::uint8_t>& bytes) {
  auto array = Napi::Uint8Array::New(env, bytes.size());
  if (std::uint8_t* data = array.Data(); data != nullptr && !bytes.empty())
    std::memcpy(data, bytes.data(), bytes.size());
  return array;
}

Napi::Array optionList(Napi::Env env, const std::vector<FileOption>& options) {
  Napi::Array list = Napi::Array::New(env, options.size());
  for (std::uint32_t i = 0; i < options.size(); ++i) {
    Napi::Object option = Napi::Object::New(env);
    option.Set("code", Napi::Number::New(env, options[i].code));
    option.Set("value", bytesOf(env, options[i].value));
    list.Set(i, option);
  }
  return list;
}

// Each kind of news as an object { kind, … }.
struct ToJs {
  Napi::Env env;

  [[nodiscard]] Napi::Object object(const char* kind) const {
    Napi::Object made = Napi::Object::New(env);
    made.Set("kind", kind);
    return made;
  }
  Napi::Object operator()(const SavefileReady&) const { return object("ready"); }
  Napi::Object operator()(const SavefileWarning& warning) const {
    Napi::Object made = object("warning");
    made.Set("text", warning.text);
    return made;
  }
  Napi::Object operator()(const FileSection& section) const {
    Napi::Object made = object("section");
    made.Set("pcapng", section.pcapng);
    made.Set("bigEndian", section.bigEndian);
    made.Set("major", section.major);
    made.Set("minor", section.minor);
    made.Set("fresh", section.fresh);
    made.Set("options", optionList(env, section.options));
    return made;
  }
  Napi::Object operator()(const FileInterface& interface) const {
    Napi::Object made = object("interface");
    made.Set("index", interface.index);
    made.Set("id", interface.id);
    made.Set("linkType", interface.linkType);
    made.Set("hardwareType", hardwareTypeOf(interface.linkType));
    made.Set("snapshotLength", interface.snapshotLength);
    made.Set("fcsLength", interface.fcsLength);
    made.Set("nanoseconds", interface.nanoseconds);
    made.Set("options", optionList(env, interface.options));
    return made;
  }
  Napi::Object operator()(const FileBlock& block) const {
    Napi::Object made = object("block");
    made.Set("type", block.type);
    made.Set("bigEndian", block.bigEndian);
    made.Set("offset", Napi::Number::New(env, static_cast<double>(block.offset)));
    made.Set("body", bytesOf(env, block.body));
    return made;
  }
};

}  // namespace

Napi::Value savefileEventToJs(Napi::Env env, const SavefileEvent& news) { return std::visit(ToJs{env}, news); }

}  // namespace ringtap::binding
