// A recorder of packets in memory as a JavaScript object: what the flight recorder and the server have in common.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <utility>

#include "binding/util/js.h"
#include "core/record/flight_memory.h"
#include "core/record/recorder.h"

namespace ringtap::binding {

using Memory = std::shared_ptr<FlightMemory>;
using MemoryMethod = std::function<js::Value(const js::CallbackInfo&, Recorder&, const Memory&)>;

// Begins the recorder. `request`: rotateBytes and `secondary` are set here. The object has the methods clear(),
// nextFault() and ended(), and `own` ones. Without value, with an exception pending, if the recorder cannot begin.
js::Value memoryRecorder(js::Env env, const FlightOptions& limits, RecorderOptions request,
                         const std::function<Result<>(std::shared_ptr<Recorder>)>& attach,
                         std::initializer_list<std::pair<const char*, MemoryMethod>> own);

}  // namespace ringtap::binding
