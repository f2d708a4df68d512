#include "binding/capture/capture_stats.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "binding/util/layouts.h"

namespace ringtap::binding {

namespace {

const char* nameOf(FilterMode mode) {
  switch (mode) {
    case FilterMode::Ebpf: return "ebpf";
    case FilterMode::None: return "none";
    default: return "classic";
  }
}

js::Float64Array toArray(js::Env env, const std::vector<double>& row) {
  js::Float64Array array = js::Float64Array::New(env, row.size());
  // Empty if the worker is being terminated: no objects can be made then, and no exception is pending.
  if (!array.IsEmpty()) std::copy(row.begin(), row.end(), array.Data());
  return array;
}

// As PackedInterfaces of lib/capture/packed-interfaces.ts.
js::Object packInterfaces(js::Env env, const CaptureStats& stats) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  const auto& list = stats.table.interfaces;
  js::Array names = js::Array::New(env, list.size());
  std::vector<double> rows(list.size() * interface_row::kWords, kUnknown);
  for (std::uint32_t i = 0; i < list.size(); ++i) {
    const InterfaceStats& one = list[i];
    names.Set(i, js::String::New(env, one.name));
    double* row = rows.data() + i * interface_row::kWords;
    const auto set = [row](std::size_t word, std::optional<std::uint64_t> value) {
      if (value) row[word] = static_cast<double>(*value);
    };
    set(interface_row::kIndex, one.index);
    set(interface_row::kGeneration, one.generation);
    set(interface_row::kPresent, one.present ? 1 : 0);
    set(interface_row::kSelected, one.selected ? 1 : 0);
    set(interface_row::kReceived, one.received);
    set(interface_row::kDelivered, one.delivered);
    set(interface_row::kBytes, one.bytes);
    set(interface_row::kDroppedByRecorder, one.droppedByRecorder);
    set(interface_row::kDropped, stats.lost(one));
    set(interface_row::kUnselected, one.unselected);
    set(interface_row::kDuplicates, one.duplicates);
    set(interface_row::kBeyondCutoff, one.beyondCutoff);
    if (stats.table.sampledOutKnown) set(interface_row::kSampledOut, one.sampledOut);
    set(interface_row::kTruncated, one.truncated);
    set(interface_row::kQueued, one.queued);
    if (!one.losses) continue;
    set(interface_row::kDeviceDropped, one.losses->dropped);
    set(interface_row::kDeviceMissed, one.losses->missed);
    set(interface_row::kDeviceErrors, one.losses->errors);
    set(interface_row::kDeviceOverruns, one.losses->overruns);
    set(interface_row::kDeviceFifoErrors, one.losses->fifo);
  }
  js::Object packed = js::Object::New(env);
  packed.Set("names", names);
  packed.Set("rows", toArray(env, rows));
  return packed;
}

}  // namespace

js::Object toJs(js::Env env, const CaptureStats& stats) {
  js::Object object = js::Object::New(env);
  object.Set("received", stats.received);
  object.Set("droppedByRing", stats.loops.ringDrops);
  object.Set("droppedByOverflow", stats.droppedByOverflow());
  object.Set("freezes", stats.loops.freezes);
  object.Set("evicted", stats.loops.evicted);
  object.Set("overflowUsed", stats.overflowUsed);
  object.Set("delivered", stats.table.delivered);
  object.Set("bytes", stats.table.bytes);
  object.Set("droppedByRecorder", stats.table.droppedByRecorder);
  object.Set("unselected", stats.table.unselected);
  object.Set("duplicates", stats.table.duplicates);
  object.Set("beyondCutoff", stats.table.beyondCutoff);
  if (stats.table.sampledOutKnown) object.Set("sampledOut", stats.table.sampledOut);
  object.Set("truncated", stats.table.truncated);
  object.Set("malformed", stats.table.malformed);
  object.Set("queued", stats.table.queued);
  object.Set("monitorOverflows", stats.monitorOverflows);
  object.Set("memory", stats.size.memory);
  object.Set("count", stats.size.count);
  object.Set("blockSize", stats.size.blockSize);
  object.Set("blockCount", stats.size.blockCount);
  object.Set("table", js::String::New(env, nameOf(stats.filterMode)));
  if (stats.softnet) {
    js::Object softnet = js::Object::New(env);
    softnet.Set("dropped", stats.softnet->dropped);
    softnet.Set("timeSqueezed", stats.softnet->timeSqueezed);
    object.Set("softnet", softnet);
  }
  object.Set("lossSample", toLossSample(env, stats));
  object.Set("interfaces", packInterfaces(env, stats));
  return object;
}

js::Value toLossSample(js::Env env, const CaptureStats& stats) {
  std::vector<double> sample(loss_head::kWords);
  const auto set = [&sample](std::size_t word, std::uint64_t value) { sample[word] = static_cast<double>(value); };
  set(loss_head::kPackets, stats.loops.packets);
  set(loss_head::kSettled, stats.settled ? 1 : 0);
  set(loss_head::kPerInterface, stats.filterMode == FilterMode::Ebpf ? 1 : 0);
  set(loss_head::kReceived, stats.received);
  set(loss_head::kByRing, stats.loops.ringDrops);
  set(loss_head::kByOverflow, stats.droppedByOverflow());
  set(loss_head::kMalformed, stats.table.malformed);
  for (const InterfaceStats& one : stats.table.interfaces) {
    const auto lost = stats.lost(one);
    // Of removed interfaces, of which there may be many, only those with losses are listed.
    if (!lost || *one.received == 0 || (!one.present && *lost == 0)) continue;
    const std::size_t row = sample.size();
    sample.resize(row + loss_row::kWords);
    set(row + loss_row::kIndex, one.index);
    set(row + loss_row::kGeneration, one.generation);
    set(row + loss_row::kReceived, *one.received);
    set(row + loss_row::kLost, *lost);
  }
  return toArray(env, sample);
}

}  // namespace ringtap::binding
