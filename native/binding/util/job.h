// A task of the core's on a thread of its own, begun by JavaScript, which hears of its end.
//
// The task has `Result<> run()`, and `stop()`, which any thread may call and which makes run() return soon. Lifetime:
// the thread ends by itself or when told to; finish(), or the end of the environment, joins it. JavaScript holds the
// handle until then: the function that is called at the end refers to it, and the thread-safe function to that. A task
// that has questions meanwhile has `onQuestion(std::function<void()>)`, and the same function is called for them.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "binding/util/errors.h"
#include "binding/util/waker.h"
#include "core/util/result.h"
#include "core/util/thread.h"

namespace ringtap::binding {

template <typename Task>
class Job {
 public:
  // The handle. `onEnd` is called once, and for questions before that, and holds the event loop until then. Throws
  // ERR_SYSTEM where no thread can be made.
  static Napi::Value start(Napi::Env env, std::unique_ptr<Task> task, Napi::Function onEnd) {
    auto* job = new Job(env, std::move(task), onEnd);
    if (auto begun = job->begin(); !begun) {
      delete job;
      throwError(env, begun.error());
      return {};
    }
    napi_add_env_cleanup_hook(env, &Job::cleanup, job);
    return Handle::New(env, job, [](Napi::BasicEnv, Job* gone) {
      if (!gone->finished_) napi_remove_env_cleanup_hook(gone->env_, &Job::cleanup, gone);
      delete gone;
    });
  }
  static Job& of(const Napi::Value& handle) { return *handle.As<Handle>().Data(); }

  ~Job() {
    task_->stop();
    join();
  }

  void stop() { task_->stop(); }
  // Joins the thread. Once onEnd was called that takes no time.
  void finish() {
    join();
    if (!std::exchange(finished_, true)) napi_remove_env_cleanup_hook(env_, &Job::cleanup, this);
  }
  [[nodiscard]] Task& task() { return *task_; }
  // After finish().
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }

 private:
  using Handle = Napi::External<Job>;

  Job(Napi::Env env, std::unique_ptr<Task> task, Napi::Function onEnd)
      : env_(env), task_(std::move(task)), waker_(env, onEnd) {}

  Result<> begin() {
    if constexpr (requires { task_->onQuestion([] {}); }) task_->onQuestion([this] { waker_(); });
    auto started = Thread::start("ringtap job", [this] {
      if (auto done = task_->run(); !done) failure_ = std::move(done.error());
      waker_();
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
    waker_.release();
  }

  napi_env env_;
  bool finished_ = false;  // and the hook is gone
  std::unique_ptr<Task> task_;
  std::optional<Error> failure_;
  Waker waker_;
  Thread thread_;
};

inline Napi::Array textList(Napi::Env env, const std::vector<std::string>& texts) {
  auto list = Napi::Array::New(env, texts.size());
  for (std::uint32_t i = 0; i < texts.size(); ++i) list.Set(i, Napi::String::New(env, texts[i]));
  return list;
}

}  // namespace ringtap::binding
