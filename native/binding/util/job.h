// Runs a core task on its own thread; a JavaScript function is called at its end.
//
// The task has `Result<> run()`, `stop()`, which any thread may call and which makes run() return soon, and
// `warnings()`, a list of texts. Lifetime: the thread ends by itself or when stopped; finish(), or the end of the
// environment, joins it. JavaScript keeps the handle until then: the function called at the end refers to it, and the
// thread-safe function to that function. A task with questions has `onQuestion(std::function<void()>)`; the same
// function is called for them.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "binding/util/convert.h"
#include "binding/util/errors.h"
#include "binding/util/js.h"
#include "binding/util/waker.h"
#include "core/util/result.h"
#include "core/util/thread.h"

namespace ringtap::binding {

template <typename Task>
class Job {
 public:
  // Returns the handle. `onEnd` is called once at the end, and before that for questions; it keeps the event loop alive
  // until the end. Throws ERR_SYSTEM if no thread can be created.
  static js::Value start(js::Env env, std::unique_ptr<Task> task, js::Function onEnd) {
    if (!env.canRun()) return {};
    auto waker = Waker::make(env, onEnd);
    if (!waker) return {};
    std::unique_ptr<Job> job(new Job(env, std::move(task), std::move(waker)));
    if (auto begun = job->begin(); !begun) {
      throwError(env, begun.error());
      return {};
    }
    return Handle::New(env, std::move(job));
  }
  // Returns null, with an exception pending, if the first argument is no handle.
  static Job* of(const js::CallbackInfo& info) { return handleOf<Job>(info[0], "a job"); }

  ~Job() {
    task_->stop();
    finish();
  }

  // Exported for each kind of task: (handle) => void. `onEnd` is called soon after.
  static void stop(const js::CallbackInfo& info) {
    if (Job* job = of(info)) job->task_->stop();
  }
  // Joins the thread, which does not block once onEnd was called.
  void finish() {
    join();
    if (!std::exchange(finished_, true)) napi_remove_env_cleanup_hook(env_, &Job::cleanup, this);
  }
  [[nodiscard]] Task& task() { return *task_; }
  // { warnings, failure? }. Valid after finish().
  [[nodiscard]] js::Object outcome(js::Env env) const {
    auto object = js::Object::New(env);
    object.Set("warnings", toJs(env, task_->warnings()));
    if (failure_) object.Set("failure", toJs(env, *failure_));
    return object;
  }

 private:
  using Handle = js::External<Job>;

  Job(js::Env env, std::unique_ptr<Task> task, std::shared_ptr<Waker> waker)
      : env_(env), task_(std::move(task)), waker_(std::move(waker)) {
    napi_add_env_cleanup_hook(env, &Job::cleanup, this);
  }

  Result<> begin() {
    if constexpr (requires { task_->onQuestion([] {}); }) task_->onQuestion([this] { (*waker_)(); });
    auto started = Thread::start("ringtap job", [this] {
      if (auto done = task_->run(); !done) failure_ = std::move(done.error());
      (*waker_)();
    });
    if (!started) return std::move(started.error());
    thread_ = std::move(*started);
    return {};
  }

  static void cleanup(void* data) {
    auto* job = static_cast<Job*>(data);
    job->finished_ = true;
    job->task_->stop();
    job->join();
  }

  void join() {
    thread_.join();
    waker_->release();
  }

  napi_env env_;
  bool finished_ = false;  // and the cleanup hook is removed
  std::unique_ptr<Task> task_;
  std::optional<Error> failure_;
  std::shared_ptr<Waker> waker_;
  Thread thread_;
};

}  // namespace ringtap::binding
