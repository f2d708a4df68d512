// The native side of lib/send/replay.ts: a thread that opens interface and file, sends, closes both, and reports its
// end.
//
// Lifetime: the thread owns everything except its waker. It ends by itself or when stopped; finishReplay(), or the end
// of the environment, joins it. JavaScript keeps the handle until then: the function called at the end refers to it.

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "binding/send/send_result.h"
#include "binding/util/convert.h"
#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/job.h"
#include "binding/util/js.h"
#include "core/linux/netns.h"
#include "core/savefile/savefile_source.h"
#include "core/send/replay_sender.h"

namespace ringtap::binding {

namespace {

struct Request {
  std::string file;
  std::string interface;
  std::string netns;
  SavefileConfig savefile;
  InjectorOptions injector;
  ReplayOptions replay;
};

class ReplayTask {
 public:
  explicit ReplayTask(Request request) : request_(std::move(request)) {}

  Result<> run() {
    auto injector =
        inNamespace(request_.netns, [this] { return Injector::open(request_.interface, request_.injector); });
    if (!injector) return injector.error();
    const auto open = [this] {
      // Every pass has the same warnings: keep those of the first.
      const auto onEvent = [this, first = !std::exchange(opened_, true)](SavefileEvent& event) {
        if (auto* warning = std::get_if<SavefileWarning>(&event); warning && first) warnings_.push_back(warning->text);
      };
      return SavefileSource::open(request_.file, request_.savefile, onEvent);
    };
    ReplaySender* sender;
    {
      std::lock_guard lock(mutex_);
      sender_ = std::make_unique<ReplaySender>(std::move(*injector), open, request_.replay);
      sender = sender_.get();
      if (stopped_) sender->stop();
    }
    auto done = sender->run();
    std::unique_ptr<ReplaySender> over;
    {
      std::lock_guard lock(mutex_);
      stats_ = sender->stats();
      tally_ = sender->tally();
      over = std::move(sender_);
    }
    return done;  // closes the socket here, off JavaScript's thread
  }
  void stop() {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    if (sender_) sender_->stop();
  }
  [[nodiscard]] ReplayStats stats() const {
    std::lock_guard lock(mutex_);
    return sender_ ? sender_->stats() : stats_;
  }
  // Valid after run() has returned.
  [[nodiscard]] const SendTally& tally() const { return tally_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  Request request_;
  mutable std::mutex mutex_;
  bool stopped_ = false;                  // guarded by the mutex, as the next two
  std::unique_ptr<ReplaySender> sender_;  // set while it sends
  ReplayStats stats_;
  SendTally tally_;  // used by the thread only, as the next two
  std::vector<std::string> warnings_;
  bool opened_ = false;
};

using ReplayJob = Job<ReplayTask>;

// startReplay(options: NativeReplayOptions, onEnd: () => void): ReplayHandle
js::Value start(const js::CallbackInfo& info) {
  const Fields options(info[0]);
  Request request;
  request.file = options.text("file");
  request.interface = options.text("interface");
  request.netns = options.text("netns");
  request.injector.maxWait = static_cast<std::uint64_t>(options.real("maxWait") * 1e6);
  request.injector.bypassQueue = options.flag("bypassQueue");
  request.savefile.snapshotLength = UINT32_MAX;
  request.savefile.packetOptions = false;
  request.savefile.filter = options.optionalText("filter");
  request.replay.speed = options.real("speed");
  request.replay.passes = options.large("passes");
  if (options["maxGap"].IsNumber())
    request.replay.longestGap = static_cast<std::uint64_t>(options.real("maxGap") * 1e6);
  return ReplayJob::start(info.Env(), std::make_unique<ReplayTask>(std::move(request)), info[1].As<js::Function>());
}

js::Object statsObject(js::Env env, const ReplayStats& stats) {
  auto object = js::Object::New(env);
  object.Set("packets", stats.packets);
  object.Set("sent", stats.sent);
  object.Set("bytes", stats.bytes);
  object.Set("refused", stats.refused);
  object.Set("passes", stats.passes);
  object.Set("nanoseconds", stats.nanoseconds);
  object.Set("latenessSum", stats.latenessSum);
  object.Set("latenessMost", stats.latenessMost);
  return object;
}

// replayStats(handle): NativeReplayStats. Call it before finishReplay().
js::Value stats(const js::CallbackInfo& info) {
  ReplayJob* job = ReplayJob::of(info);
  if (job == nullptr) return {};
  return statsObject(info.Env(), job->task().stats());
}

// finishReplay(handle): { tally, stats, warnings, failure? }. Call it after onEnd.
js::Value finish(const js::CallbackInfo& info) {
  const js::Env env = info.Env();
  ReplayJob* job = ReplayJob::of(info);
  if (job == nullptr) return {};
  job->finish();
  js::Object result = job->outcome(env);
  result.Set("tally", toJs(env, job->task().tally()));
  result.Set("stats", statsObject(env, job->task().stats()));
  return result;
}

}  // namespace

void initReplay(js::Env env, js::Object exports) {
  exportFunction(env, exports, "startReplay", start);
  exportFunction(env, exports, "replayStats", stats);
  exportFunction(env, exports, "stopReplay", ReplayJob::stop);
  exportFunction(env, exports, "finishReplay", finish);
}

}  // namespace ringtap::binding
