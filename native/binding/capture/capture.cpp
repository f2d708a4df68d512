// The class behind lib/capture/capture.ts: opens off the event loop, returns blocks, and closes with its environment.
#include "core/capture/capture.h"

#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "binding/capture/capture_change.h"
#include "binding/capture/capture_request.h"
#include "binding/capture/capture_stats.h"
#include "binding/capture/captured_leases.h"
#include "binding/links/interface_object.h"
#include "binding/record/batches.h"
#include "binding/record/flight.h"
#include "binding/record/recording.h"
#include "binding/record/server.h"
#include "binding/util/convert.h"
#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/instance.h"
#include "binding/util/js.h"
#include "binding/util/layouts.h"
#include "binding/util/run_async.h"
#include "binding/util/waker.h"
#include "core/bpf/address_filter.h"
#include "core/linux/netns.h"
#include "core/util/link_type.h"

namespace ringtap::binding {

namespace {

class CaptureHandle : public js::ObjectWrap<CaptureHandle> {
 public:
  static void init(js::Env env) {
    Instance::of(env).capture =
        js::Persistent(DefineClass(env, "Capture",
                                   {
                                       InstanceMethod<&CaptureHandle::interfaces>("interfaces"),
                                       InstanceMethod<&CaptureHandle::start>("start"),
                                       InstanceMethod<&CaptureHandle::decide>("decide"),
                                       InstanceMethod<&CaptureHandle::commit>("commit"),
                                       InstanceMethod<&CaptureHandle::nextEvent>("nextEvent"),
                                       InstanceMethod<&CaptureHandle::interfacesAt>("interfacesAt"),
                                       InstanceMethod<&CaptureHandle::nextFault>("nextFault"),
                                       InstanceMethod<&CaptureHandle::nextBlock>("nextBlock"),
                                       InstanceMethod<&CaptureHandle::release>("release"),
                                       InstanceMethod<&CaptureHandle::setFilter>("setFilter"),
                                       InstanceMethod<&CaptureHandle::setHosts>("setHosts"),
                                       InstanceMethod<&CaptureHandle::setConnections>("setConnections"),
                                       InstanceMethod<&CaptureHandle::setSample>("setSample"),
                                       InstanceMethod<&CaptureHandle::mark>("mark"),
                                       InstanceMethod<&CaptureHandle::oldFilterDrained>("oldFilterDrained"),
                                       InstanceMethod<&CaptureHandle::enforceFilter>("enforceFilter"),
                                       InstanceMethod<&CaptureHandle::record>("record"),
                                       InstanceMethod<&CaptureHandle::stopRecording>("stopRecording"),
                                       InstanceMethod<&CaptureHandle::markRecording>("markRecording"),
                                       InstanceMethod<&CaptureHandle::batches>("batches"),
                                       InstanceMethod<&CaptureHandle::endBatches>("endBatches"),
                                       InstanceMethod<&CaptureHandle::flight>("flight"),
                                       InstanceMethod<&CaptureHandle::serve>("serve"),
                                       InstanceMethod<&CaptureHandle::endServer>("endServer"),
                                       InstanceMethod<&CaptureHandle::endFlight>("endFlight"),
                                       InstanceMethod<&CaptureHandle::markFlight>("markFlight"),
                                       InstanceMethod<&CaptureHandle::listen>("listen"),
                                       InstanceMethod<&CaptureHandle::stats>("stats"),
                                       InstanceMethod<&CaptureHandle::readLosses>("readLosses"),
                                       InstanceMethod<&CaptureHandle::readTimestamping>("readTimestamping"),
                                       InstanceMethod<&CaptureHandle::lossSample>("lossSample"),
                                       InstanceMethod<&CaptureHandle::stop>("stop"),
                                       InstanceMethod<&CaptureHandle::intakeEnded>("intakeEnded"),
                                       InstanceMethod<&CaptureHandle::close>("close"),
                                   }));
  }

  explicit CaptureHandle(const js::CallbackInfo& info) : env_(info.Env()) {}

  ~CaptureHandle() override {
    if (capture_) {
      if (hooked_) napi_remove_env_cleanup_hook(env_, &CaptureHandle::cleanup, this);
      cleanup(this);
    }
  }

  // JavaScript cannot construct the object: its capture is set right after construction. Returns empty, with the
  // capture closed, if the object cannot be made.
  static js::Object wrap(js::Env env, std::unique_ptr<Capture> capture, std::shared_ptr<Waker> waker,
                         const OpenRequest& request) {
    js::Object object = Instance::of(env).capture.Value().construct();
    CaptureHandle* self = Unwrap(object);
    if (self == nullptr) {
      capture.reset();
      waker->release();
      return {};
    }
    self->book_ = capture->book();
    self->capture_ = std::move(capture);
    self->waker_ = std::move(waker);
    self->leases_ = std::make_unique<CapturedLeases>(request.copying, self->capture_->size());
    self->netns_ = request.within;
    self->direction_ = request.config.filter.direction;
    napi_add_env_cleanup_hook(env, &CaptureHandle::cleanup, self);
    self->hooked_ = true;
    object.Set("filter", filterState(env, request.filter));
    if (const auto identity = request.within ? request.within->identity() : std::nullopt) {
      js::Object netns = js::Object::New(env);
      netns.Set("device", js::BigInt::New(env, identity->device));
      netns.Set("inode", js::BigInt::New(env, identity->inode));
      object.Set("netns", netns);
    }
    return object;
  }

 private:
  // Runs when the environment ends, or when the object is garbage collected.
  static void cleanup(void* data) {
    auto* self = static_cast<CaptureHandle*>(data);
    self->hooked_ = false;
    if (!self->capture_) return;
    self->capture_.reset();
    self->netns_.reset();
    self->waker_->release();
  }

  // Throws ERR_CLOSED and returns null if the capture is closed.
  Capture* open(js::Env env) {
    if (!capture_) throwError(env, Error{Code::Closed, "the capture is closed"});
    return capture_.get();
  }

  js::Value interfaces(const js::CallbackInfo& info) {
    Capture* capture = open(info.Env());
    if (capture == nullptr) return {};
    const auto& initial = capture->initialInterfaces();
    return listOf(info.Env(), initial, [&](const auto& known) {
      const auto& [interface, selected] = known;
      js::Object one = js::Object::New(info.Env());
      one.Set("interface", objects_.of(info.Env(), interface));
      if (selected) one.Set("selected", *selected);
      return one;
    });
  }

  // start(): Promise<void>. Until it has settled, the capture counts as closed.
  js::Value start(const js::CallbackInfo& info) {
    if (open(info.Env()) == nullptr) return {};
    // The work owns the capture while it starts.
    auto capture = std::make_shared<std::unique_ptr<Capture>>(std::move(capture_));
    return runAsync(
        info.Env(), "ringtap start", [capture] { return (*capture)->start(); },
        [this, capture, kept = js::Persistent(info.This())](js::Env env, Result<>& started) -> Result<js::Value> {
          capture_ = std::move(*capture);
          if (!started) return std::move(started.error());
          return env.Undefined();
        });
  }

  void decide(const js::CallbackInfo& info) {
    Capture* capture = open(info.Env());
    if (capture == nullptr) return;
    capture->decide({info[0].As<js::Number>().Uint32Value(), info[1].As<js::Number>().Uint32Value()},
                    static_cast<std::uint64_t>(info[2].As<js::Number>().DoubleValue()),
                    info[3].As<js::Boolean>().Value());
  }

  void commit(const js::CallbackInfo& info) {
    Capture* capture = open(info.Env());
    if (capture == nullptr) return;
    if (auto committed = capture->commit(); !committed) throwError(info.Env(), committed.error());
  }

  js::Value nextEvent(const js::CallbackInfo& info) {
    if (!capture_) return info.Env().Undefined();
    const auto queued = capture_->nextEvent();
    if (!queued) return info.Env().Undefined();
    js::Object object = js::Object::New(info.Env());
    object.Set("epoch", js::Number::New(info.Env(), static_cast<double>(queued->event.epoch)));
    object.Set("event", objects_.of(info.Env(), queued->event));
    if (queued->selected) object.Set("selected", js::Boolean::New(info.Env(), *queued->selected));
    return object;
  }

  // interfacesAt(index, epoch, ring, number: number): { interface: NetworkInterface, since: bigint }[]; works after the
  // capture is closed too.
  js::Value interfacesAt(const js::CallbackInfo& info) {
    const auto number = [&](std::size_t at) { return info[at].As<js::Number>(); };
    const BlockOrigin origin{{number(2).Uint32Value(), static_cast<std::uint64_t>(number(3).DoubleValue())},
                             static_cast<std::uint64_t>(number(1).DoubleValue())};
    const auto candidates = book_->candidates(number(0).Uint32Value(), origin);
    return listOf(info.Env(), candidates, [&](const auto& candidate) {
      js::Object one = js::Object::New(info.Env());
      one.Set("interface", objects_.of(info.Env(), candidate.interface));
      one.Set("since", js::BigInt::New(info.Env(), candidate.since));
      return one;
    });
  }

  js::Value nextFault(const js::CallbackInfo& info) {
    if (!capture_) return info.Env().Undefined();
    const auto fault = capture_->nextFault();
    return fault ? toJs(info.Env(), *fault) : info.Env().Undefined();
  }

  // nextBlock(meta: ArrayBuffer, taken: boolean): ArrayBuffer or NoBlock. Empty: wake() will be called. EventsFirst:
  // take the events and faults first; if `taken`, they have just been taken, and it is returned only for those before
  // the block.
  js::Value nextBlock(const js::CallbackInfo& info) {
    Capture* capture = open(info.Env());
    if (capture == nullptr) return {};
    const auto none = [&](NoBlock why) { return js::Number::New(info.Env(), static_cast<double>(why)); };
    if (!info[1].As<js::Boolean>().Value() && capture->hasEvents()) return none(NoBlock::EventsFirst);
    std::optional<Lease> lease;
    switch (capture->nextBlock(lease)) {
      case ChunkQueue::Next::Empty: return none(NoBlock::Empty);
      case ChunkQueue::Next::EventsFirst: return none(NoBlock::EventsFirst);
      case ChunkQueue::Next::Finished: return none(NoBlock::Finished);
      case ChunkQueue::Next::Block: break;
    }
    const BlockSummary& summary = lease->taken().summary;
    // Read before the block is lent: JavaScript may change the memory from then on.
    const std::uint32_t packets = summary.packets;
    const std::uint64_t bytes = summary.bytes;
    const std::uint64_t firstTimestamp = summary.firstTimestamp;
    const std::uint64_t lastTimestamp = summary.lastTimestamp;
    const BlockOrigin origin = lease->taken().origin();
    std::uint32_t number = 0;
    const js::Value buffer = leases_->lend(info.Env(), std::move(*lease), number);
    void* memory = info[0].As<js::ArrayBuffer>().Data();
    if (memory == nullptr) return {};
    auto* meta = static_cast<double*>(memory);
    auto* times = static_cast<std::uint64_t*>(memory);
    meta[block_meta::kPackets] = packets;
    meta[block_meta::kBytes] = static_cast<double>(bytes);
    meta[block_meta::kEpoch] = static_cast<double>(origin.epoch);
    meta[block_meta::kRing] = origin.block.ring;
    meta[block_meta::kNumber] = static_cast<double>(origin.block.number);
    meta[block_meta::kSteady] = book_->isSteady(origin.block) ? 1 : 0;
    meta[block_meta::kLease] = number;
    times[block_meta::kFirstTimestamp] = firstTimestamp;
    times[block_meta::kLastTimestamp] = lastTimestamp;
    return buffer;
  }

  // release(lease: number, exposed: boolean)
  void release(const js::CallbackInfo& info) {
    leases_->release(info.Env(), info[0].As<js::Number>().Uint32Value(), info[1].As<js::Boolean>().Value());
  }

  // setFilter(expression: string | undefined, snapshotLength: number, slice: number): Promise<NativeFilterState>
  js::Value setFilter(const js::CallbackInfo& info) {
    const Capture* capture = open(info.Env());
    if (capture == nullptr) return {};
    FilterRequest request;
    request.expression = textOf(info[0]);
    request.spec.snapshotLength = info[1].As<js::Number>().Uint32Value();
    request.spec.slice = static_cast<Slice>(info[2].As<js::Number>().Uint32Value());
    request.spec.direction = direction_;
    return begin(filterChange(std::move(request), netns_, capture->linkTypes()));
  }

  // setHosts(exclude: string | undefined, include: string | undefined): Promise<void>
  js::Value setHosts(const js::CallbackInfo& info) {
    const Capture* capture = open(info.Env());
    if (capture == nullptr) return {};
    AddressLists lists{{textOf(info[0]).value_or(""), "exclude"}, {textOf(info[1]).value_or(""), "include"}};
    return begin(addressChange(std::move(lists), capture->filterMode() == FilterMode::Ebpf));
  }

  // setConnections(connections: string): Promise<void>
  js::Value setConnections(const js::CallbackInfo& info) {
    const Capture* capture = open(info.Env());
    if (capture == nullptr) return {};
    ConnectionList list{textOf(info[0]).value_or(""), "connections"};
    return begin(connectionChange(std::move(list), capture->filterMode() == FilterMode::Ebpf));
  }

  // setSample(sample: NativeSample | undefined): Promise<void>
  js::Value setSample(const js::CallbackInfo& info) {
    if (open(info.Env()) == nullptr) return {};
    return begin(sampleChange(sampleOf(info[0])));
  }

  // mark(connection: string, mark: number)
  void mark(const js::CallbackInfo& info) {
    Capture* capture = open(info.Env());
    if (capture == nullptr) return;
    auto connection = parseConnection(textOf(info[0]).value_or(""));
    auto marked = connection
                      ? capture->mark(*connection, static_cast<CutoffMark>(info[1].As<js::Number>().Uint32Value()))
                      : Result<>(connection.error());
    if (!marked) throwError(info.Env(), marked.error());
  }

  js::Value begin(CaptureChange change) {
    return runAsync(env_, "ringtap change", std::move(change.prepare),
                    [this, apply = std::move(change.apply), outcome = std::move(change.outcome),
                     kept = js::Persistent(Value())](js::Env env, Result<>& prepared) -> Result<js::Value> {
                      if (!prepared) return std::move(prepared.error());
                      if (!capture_) return Error{Code::Closed, "the capture is closed"};
                      if (auto applied = apply(*capture_); !applied) return std::move(applied.error());
                      return outcome ? outcome(env) : env.Undefined();
                    });
  }

  js::Value oldFilterDrained(const js::CallbackInfo& info) {
    return js::Boolean::New(info.Env(), !capture_ || capture_->oldFilterDrained());
  }

  void enforceFilter(const js::CallbackInfo&) {
    if (capture_) capture_->enforceFilter();
  }

  // record(options: NativeRecordOptions): Promise<NativeRecording>
  js::Value record(const js::CallbackInfo& info) {
    if (open(info.Env()) == nullptr) return {};
    return binding::record(info.Env(), Fields(info[0]), info.This(),
                           [this](std::shared_ptr<Recorder> recorder) -> Result<> {
                             if (!capture_) return Error{Code::Closed, "the capture is closed"};
                             return capture_->record(std::move(recorder));
                           });
  }

  void stopRecording(const js::CallbackInfo&) {
    if (capture_) capture_->stopRecording();
  }

  void markRecording(const js::CallbackInfo&) {
    if (capture_) capture_->markRecording();
  }

  // batches(options: NativeBatchOptions): NativeBatches
  js::Value batches(const js::CallbackInfo& info) {
    Capture* capture = open(info.Env());
    if (capture == nullptr) return {};
    return binding::batches(info.Env(), Fields(info[0]), [capture](std::shared_ptr<Recorder> recorder) {
      return capture->record(std::move(recorder));
    });
  }

  void endBatches(const js::CallbackInfo&) {
    if (capture_) capture_->endBatches();
  }

  // flight(options: NativeFlightOptions): NativeFlight
  js::Value flight(const js::CallbackInfo& info) {
    Capture* capture = open(info.Env());
    if (capture == nullptr) return {};
    return binding::flight(info.Env(), Fields(info[0]),
                           [capture](std::shared_ptr<Recorder> recorder) { return capture->fly(std::move(recorder)); });
  }

  // serve(options: NativeServeOptions): NativeServer
  js::Value serve(const js::CallbackInfo& info) {
    Capture* capture = open(info.Env());
    if (capture == nullptr) return {};
    return binding::serve(info.Env(), Fields(info[0]), [capture](std::shared_ptr<Recorder> recorder) {
      return capture->serve(std::move(recorder));
    });
  }

  void endServer(const js::CallbackInfo&) {
    if (capture_) capture_->endServer();
  }

  void endFlight(const js::CallbackInfo&) {
    if (capture_) capture_->endFlight();
  }

  // markFlight(handle: FlightDumpHandle, after: number)
  void markFlight(const js::CallbackInfo& info) {
    const std::shared_ptr<FlightDump> dump = flightDumpOf(info[0]);
    if (!dump) return;
    const std::chrono::milliseconds after(info[1].As<js::Number>().Int64Value());
    if (capture_) capture_->markFlight(after, [dump] { dump->finish(); });
    else dump->finish();
  }

  void listen(const js::CallbackInfo& info) {
    if (capture_) capture_->listen(info[0].As<js::Boolean>().Value());
  }

  js::Value stats(const js::CallbackInfo& info) {
    Capture* capture = open(info.Env());
    if (capture == nullptr) return {};
    return toJs(info.Env(), capture->stats());
  }

  // readLosses(): Promise<void> | undefined
  js::Value readLosses(const js::CallbackInfo& info) {
    if (!capture_) return info.Env().Undefined();
    auto read = capture_->lossReader();
    if (!read) return info.Env().Undefined();
    // On a thread of its own: stop() waits for it.
    return runAsync(
        info.Env(), "ringtap losses", std::move(read),
        [this, kept = js::Persistent(info.This())](js::Env env, Result<ReportedLosses>& losses) -> Result<js::Value> {
          if (!losses) return std::move(losses.error());
          if (capture_) capture_->updateLosses(*losses);
          return env.Undefined();
        },
        Where::OwnThread);
  }

  // readTimestamping(names: string[]): Promise<number[]>, of HardwareTimestamps
  js::Value readTimestamping(const js::CallbackInfo& info) {
    Capture* capture = open(info.Env());
    if (capture == nullptr) return {};
    auto read = capture->timestampReader(textsOf(info[0]));
    return runAsync(
        info.Env(), "ringtap clocks",
        [read = std::move(read)]() -> Result<std::vector<HardwareTimestamps>> { return read(); },
        [](js::Env env, Result<std::vector<HardwareTimestamps>>& states) -> Result<js::Value> {
          if (!states) return std::move(states.error());
          return listOf(env, *states,
                        [env](HardwareTimestamps state) { return js::Number::New(env, static_cast<double>(state)); });
        },
        Where::OwnThread);
  }

  // lossSample(packets: number): Float64Array, or undefined if the rings have accepted no more than `packets`
  js::Value lossSample(const js::CallbackInfo& info) {
    Capture* capture = open(info.Env());
    if (capture == nullptr) return {};
    const auto stats = capture->ledgerAfter(static_cast<std::uint64_t>(info[0].As<js::Number>().Int64Value()));
    return stats ? toLossSample(info.Env(), *stats) : info.Env().Undefined();
  }

  void stop(const js::CallbackInfo& info) {
    if (Capture* capture = open(info.Env())) capture->drain();
  }

  js::Value intakeEnded(const js::CallbackInfo& info) {
    return js::Boolean::New(info.Env(), !capture_ || capture_->intakeEnded());
  }

  // close(): Promise<NativeCaptureStats> | undefined
  js::Value close(const js::CallbackInfo& info) {
    if (!capture_) return info.Env().Undefined();
    netns_.reset();
    leases_->close(info.Env());
    napi_remove_env_cleanup_hook(env_, &CaptureHandle::cleanup, this);
    hooked_ = false;
    return runAsync(
        info.Env(), "ringtap close",
        [capture = std::move(capture_)]() mutable -> Result<CaptureStats> {
          capture->close();
          CaptureStats stats = capture->finalStats();
          capture.reset();
          return stats;
        },
        [waker = waker_](js::Env env, Result<CaptureStats>& stats) -> Result<js::Value> {
          waker->release();
          if (!stats) return std::move(stats.error());
          return toJs(env, *stats);
        },
        Where::OwnThread);
  }

  js::Env env_;
  std::unique_ptr<Capture> capture_;
  std::shared_ptr<const InterfaceBook> book_;
  InterfaceObjects objects_;
  std::shared_ptr<Waker> waker_;
  std::unique_ptr<CapturedLeases> leases_;
  std::shared_ptr<const Namespace> netns_;  // null: the process's, or closed
  Direction direction_ = Direction::Both;
  bool hooked_ = false;
};

// openCapture(options: NativeCaptureOptions, selection: NativeSelection | undefined, wake: () => void):
// Promise<NativeCapture>
js::Value open(const js::CallbackInfo& info) {
  const js::Env env = info.Env();
  OpenRequest request = openRequest(Fields(info[0]), info[1]);
  if (!env.canRun()) return {};
  auto waker = Waker::make(env, info[2]);
  if (!waker) return {};
  auto shared = std::make_shared<OpenRequest>(std::move(request));
  return runAsync(
      env, "ringtap open", [shared, waker] { return openCapture(*shared, [waker] { (*waker)(); }); },
      [shared, waker](js::Env env, Result<std::unique_ptr<Capture>>& opened) -> Result<js::Value> {
        if (opened) return CaptureHandle::wrap(env, std::move(*opened), waker, *shared);
        waker->release();
        return std::move(opened.error());
      });
}

}  // namespace

void initCapture(js::Env env, js::Object exports) {
  CaptureHandle::init(env);
  exportFunction(env, exports, "openCapture", open);
}

}  // namespace ringtap::binding
