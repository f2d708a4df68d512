#include "binding/capture/capture_stats.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

namespace ringtap::binding {

namespace {

const char* nameOf(FilterMode form) {
  switch (form) {
    case FilterMode::Ebpf: return "ebpf";
    case FilterMode::None: return "none";
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
Napi::Object packInterfaces(Napi::Env env, const CaptureStats& stats) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  const auto& list = stats.table.interfaces;
  Napi::Array names = Napi::Array::New(env, list.size());
  std::vector<double> rows;
  rows.reserve(list.size() * 18);
  const auto add = [&rows](std::optional<std::uint64_t> value) {
    rows.push_back(value ? static_cast<double>(*value) : kUnknown);
  };
  for (std::uint32_t i = 0; i < list.size(); ++i) {
    const InterfaceStats& one = list[i];
    names.Set(i, Napi::String::New(env, one.name));
    add(one.index);
    add(one.generation);
    add(one.present ? 1 : 0);
    add(one.selected ? 1 : 0);
    add(one.received);
    add(one.delivered);
    add(one.bytes);
    add(one.droppedByRecorder);
    add(stats.lost(one));
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

Napi::Object toJs(Napi::Env env, const Capture& capture, const CaptureStats& stats) {
  const auto set = [env](Napi::Object& object, const char* name, std::uint64_t value) {
    object.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  };
  Napi::Object object = Napi::Object::New(env);
  set(object, "received", stats.received);
  set(object, "droppedByRing", stats.loops.ringDrops);
  set(object, "droppedByOverflow", stats.loops.overflowDrops);
  set(object, "freezes", stats.loops.freezes);
  set(object, "evicted", stats.loops.evicted);
  set(object, "overflowUsed", stats.overflowUsed);
  set(object, "delivered", stats.table.delivered);
  set(object, "bytes", stats.table.bytes);
  set(object, "droppedByRecorder", stats.table.droppedByRecorder);
  set(object, "unselected", stats.table.unselected);
  set(object, "duplicates", stats.table.duplicates);
  set(object, "truncated", stats.table.truncated);
  set(object, "malformed", stats.table.malformed);
  set(object, "queued", stats.table.queued);
  set(object, "monitorOverflows", stats.monitorOverflows);
  const IntakeSize size = capture.size();
  set(object, "memory", size.memory);
  set(object, "count", size.count);
  set(object, "blockSize", size.blockSize);
  set(object, "blockCount", size.blockCount);
  object.Set("table", Napi::String::New(env, nameOf(capture.form())));
  if (stats.softnet) {
    Napi::Object softnet = Napi::Object::New(env);
    set(softnet, "dropped", stats.softnet->dropped);
    set(softnet, "timeSqueezed", stats.softnet->timeSqueezed);
    object.Set("softnet", softnet);
  }
  object.Set("lossSample", toLossSample(env, capture, stats));
  object.Set("interfaces", packInterfaces(env, stats));
  return object;
}

Napi::Value toLossSample(Napi::Env env, const Capture& capture, const CaptureStats& stats) {
  std::vector<double> row;
  const auto add = [&row](std::uint64_t value) { row.push_back(static_cast<double>(value)); };
  add(stats.loops.packets);
  add(stats.settled ? 1 : 0);
  add(capture.form() == FilterMode::Ebpf ? 1 : 0);
  add(stats.received);
  add(stats.loops.ringDrops);
  add(stats.loops.overflowDrops);
  add(stats.table.malformed);
  for (const InterfaceStats& one : stats.table.interfaces) {
    const auto lost = stats.lost(one);
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
