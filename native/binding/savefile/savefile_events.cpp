#include "binding/savefile/savefile_events.h"

#include <cstring>
#include <variant>
#include <vector>

#include "binding/util/convert.h"

namespace ringtap::binding {

namespace {

js::Value bytesOf(js::Env env, const std::vector<std::uint8_t>& bytes) {
  auto array = js::Uint8Array::New(env, bytes.size());
  if (std::uint8_t* data = array.Data(); data != nullptr && !bytes.empty())
    std::memcpy(data, bytes.data(), bytes.size());
  return array;
}

js::Array optionList(js::Env env, const std::vector<FileOption>& options) {
  return listOf(env, options, [env](const FileOption& option) {
    js::Object made = js::Object::New(env);
    made.Set("code", option.code);
    made.Set("value", bytesOf(env, option.value));
    return made;
  });
}

// Converts each kind of event to an object { kind, … }.
struct ToJs {
  js::Env env;

  [[nodiscard]] js::Object object(const char* kind) const {
    js::Object made = js::Object::New(env);
    made.Set("kind", kind);
    return made;
  }
  js::Object operator()(const SavefileReady&) const { return object("ready"); }
  js::Object operator()(const SavefileWarning& warning) const {
    js::Object made = object("warning");
    made.Set("text", warning.text);
    return made;
  }
  js::Object operator()(const FileSection& section) const {
    js::Object made = object("section");
    made.Set("pcapng", section.pcapng);
    made.Set("bigEndian", section.bigEndian);
    made.Set("major", section.major);
    made.Set("minor", section.minor);
    made.Set("fresh", section.fresh);
    made.Set("options", optionList(env, section.options));
    return made;
  }
  js::Object operator()(const FileInterface& interface) const {
    js::Object made = object("interface");
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
  js::Object operator()(const FileBlock& block) const {
    js::Object made = object("block");
    made.Set("type", block.type);
    made.Set("bigEndian", block.bigEndian);
    made.Set("offset", block.offset);
    made.Set("body", bytesOf(env, block.body));
    return made;
  }
};

}  // namespace

js::Value savefileEventToJs(js::Env env, const SavefileEvent& event) { return std::visit(ToJs{env}, event); }

}  // namespace ringtap::binding
