#include "binding/capture_figures.h"

namespace ringtap::binding {

Napi::Object toJs(Napi::Env env, const Capture& capture, const CaptureFigures& figures) {
  const auto set = [env](Napi::Object& object, const char* name, std::uint64_t value) {
    object.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  };
  Napi::Object object = Napi::Object::New(env);
  set(object, "received", figures.received);
  set(object, "droppedByRing", figures.loops.ringDrops);
  set(object, "droppedByOverflow", figures.loops.overflowDrops);
  set(object, "freezes", figures.loops.freezes);
  set(object, "evicted", figures.loops.evicted);
  set(object, "overflowUsed", figures.overflowUsed);
  set(object, "delivered", figures.table.delivered);
  set(object, "bytes", figures.table.bytes);
  set(object, "unselected", figures.table.unselected);
  set(object, "truncated", figures.table.truncated);
  set(object, "malformed", figures.table.malformed);
  set(object, "queued", figures.table.queued);
  set(object, "monitorOverflows", figures.monitorOverflows);
  set(object, "blockCount", capture.blockCount());
  object.Set("table", Napi::String::New(env, capture.form() == TableForm::Ebpf ? "ebpf" : "classic"));
  Napi::Array interfaces = Napi::Array::New(env, figures.table.interfaces.size());
  for (std::uint32_t i = 0; i < figures.table.interfaces.size(); ++i) {
    const InterfaceFigures& one = figures.table.interfaces[i];
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", Napi::String::New(env, one.name));
    set(entry, "index", one.index);
    set(entry, "generation", one.generation);
    entry.Set("present", Napi::Boolean::New(env, one.present));
    entry.Set("selected", Napi::Boolean::New(env, one.selected));
    set(entry, "delivered", one.delivered);
    set(entry, "bytes", one.bytes);
    set(entry, "unselected", one.unselected);
    set(entry, "truncated", one.truncated);
    set(entry, "queued", one.queued);
    if (one.received) {
      set(entry, "received", *one.received);
      // Without a loss in the ring, what is not taken yet is still in it.
      const bool lossy = figures.loops.ringDrops + figures.loops.overflowDrops > 0 && *one.received > one.taken;
      set(entry, "dropped", lossy ? *one.received - one.taken : 0);
    }
    interfaces.Set(i, entry);
  }
  object.Set("interfaces", interfaces);
  return object;
}

}  // namespace ringtap::binding
