// Runs a core task on its own thread; a JavaScript function is called at its end.
//
// The task has `Result<> run()`, and `stop()`, which any thread may call and which makes run() return soon. Lifetime:
// the thread ends by itself or when stopped; finish(), or the end of the environment, joins it. JavaScript keeps the
// handle until then: the function called at the end refers to it, and the thread-safe function to that function. A task
// with questions has `onQuestion(std::function<void()>)`; the same function is called for them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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
  static Job* of(const js::CallbackInfo& info) {
    Job* job = info[0].As<Handle>().Data();
    if (job == nullptr) throwError(info.Env(), Error{.code = Code::Option, .message = "this is no handle of a job"});
    return job;
  }

  ~Job() {
    task_->stop();
    finish();
  }

  void stop() { task_->stop(); }
  // Joins the thread, which does not block once onEnd was called.
  void finish() {
    join();
    if (!std::exchange(finished_, true)) napi_remove_env_cleanup_hook(env_, &Job::cleanup, this);
  }
  [[nodiscard]] Task& task() { return *task_; }
  // Valid after finish().
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }

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

inline js::Array textList(js::Env env, const std::vector<std::string>& texts) {
  auto list = js::Array::New(env, texts.size());
  for (std::uint32_t i = 0; i < texts.size(); ++i) list.Set(i, js::String::New(env, texts[i]));
  return list;
}

}  // namespace ringtap::binding
