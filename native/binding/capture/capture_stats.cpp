#include "binding/capture/capture_stats.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

namespace ringtap::binding {

namespace {

const char* nameOf(TableForm form) {
  switch (form) {
    case TableForm::Ebpf: return "ebpf";
    case TableForm::None: return "none";
    default: return "classic";
  }
}

Napi::Float64Array toArray(Napi::Env env, const std::vector<double>& row) {
  Napi::Float64Array array = Napi::Float64Array::New(env, row.size());
  // A worker that is being terminated makes no more objects, and has no exception pending to tell of it.
  if (!array.IsEmpty()) std::copy(row.begin(), row.end(), array.Data());
  return array;
}

// PackedInterfaces of lib/capture/interface-stats.ts.
Napi::Object packInterfaces(Napi::Env env, const CaptureFigures& figures) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  const auto& list = figures.table.interfaces;
  Napi::Array names = Napi::Array::New(env, list.size());
  std::vector<double> rows;
  rows.reserve(list.size() * 18);
  const auto add = [&rows](std::optional<std::uint64_t> value) {
    rows.push_back(value ? static_cast<double>(*value) : kUnknown);
  };
  for (std::uint32_t i = 0; i < list.size(); ++i) {
    const InterfaceFigures& one = list[i];
    names.Set(i, Napi::String::New(env, one.name));
    add(one.index);
    add(one.generation);
    add(one.present ? 1 : 0);
    add(one.selected ? 1 : 0);
    add(one.received);
    add(one.delivered);
    add(one.bytes);
    add(one.droppedByRecorder);
    add(figures.lost(one));
    add(one.unselected);
    add(one.duplicates);
    add(one.truncated);
    add(one.queued);
    const auto addLoss = [&](std::uint64_t DeviceLosses::*counter) {
      add(one.losses ? std::optional((*one.losses).*counter) : std::nullopt);
    };
    addLoss(&DeviceLosses::dropped);
    addLoss(&DeviceLosses::missed);
    addLoss(&DeviceLosses::errors);
    addLoss(&DeviceLosses::overruns);
    addLoss(&DeviceLosses::fifo);
  }
  Napi::Object packed = Napi::Object::New(env);
  packed.Set("names", names);
  packed.Set("rows", toArray(env, rows));
  return packed;
}

}  // namespace

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
  set(object, "droppedByRecorder", figures.table.droppedByRecorder);
  set(object, "unselected", figures.table.unselected);
  set(object, "duplicates", figures.table.duplicates);
  set(object, "truncated", figures.table.truncated);
  set(object, "malformed", figures.table.malformed);
  set(object, "queued", figures.table.queued);
  set(object, "monitorOverflows", figures.monitorOverflows);
  const IntakeSize size = capture.size();
  set(object, "memory", size.memory);
  set(object, "count", size.count);
  set(object, "blockSize", size.blockSize);
  set(object, "blockCount", size.blockCount);
  object.Set("table", Napi::String::New(env, nameOf(capture.form())));
  if (figures.softnet) {
    Napi::Object softnet = Napi::Object::New(env);
    set(softnet, "dropped", figures.softnet->dropped);
    set(softnet, "timeSqueezed", figures.softnet->timeSqueezed);
    object.Set("softnet", softnet);
  }
  object.Set("lossSample", toLossSample(env, capture, figures));
  object.Set("interfaces", packInterfaces(env, figures));
  return object;
}

Napi::Value toLossSample(Napi::Env env, const Capture& capture, const CaptureFigures& figures) {
  std::vector<double> row;
  const auto add = [&row](std::uint64_t value) { row.push_back(static_cast<double>(value)); };
  add(figures.loops.packets);
  add(figures.settled ? 1 : 0);
  add(capture.form() == TableForm::Ebpf ? 1 : 0);
  add(figures.received);
  add(figures.loops.ringDrops);
  add(figures.loops.overflowDrops);
  add(figures.table.malformed);
  for (const InterfaceFigures& one : figures.table.interfaces) {
    const auto lost = figures.lost(one);
    // Of those that went only what they lost matters; they may be many.
    if (!lost || *one.received == 0 || (!one.present && *lost == 0)) continue;
    add(one.index);
    add(one.generation);
    add(*one.received);
    add(*lost);
  }
  return toArray(env, row);
}

}  // namespace ringtap::binding
