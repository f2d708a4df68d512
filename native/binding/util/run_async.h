// Runs work off JavaScript's thread and returns a promise for its result.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "binding/util/errors.h"
#include "binding/util/js.h"
#include "core/util/result.h"
#include "core/util/thread.h"

namespace ringtap::binding {

// Where runAsync() runs its work.
enum class Where {
  // On libuv's pool of four threads: the work waits there as long as all of them are busy, for example with opening
  // FIFOs or with a slow disk.
  Pool,
  // On a thread of its own: for what must not wait. On the pool where no thread can be made.
  OwnThread,
};

// Work on the pool that can be cancelled as long as no thread has begun it. Used on JavaScript's thread only.
class Queued {
 public:
  // If the work has not begun, it is not run: finish() gets Code::Closed.
  void cancel(napi_env env) {
    if (work_ != nullptr) (void)napi_cancel_async_work(env, work_);
  }

 private:
  template <typename Work, typename Finish>
  friend class AsyncTask;

  napi_async_work work_ = nullptr;  // null before the work is queued and after it has ended
};

// Rejects with a pending exception, or else with `error`. Does nothing if JavaScript cannot run.
void reject(js::Env env, napi_deferred deferred, const Error& error);

// One call of runAsync(). Owned by what runs it: the pool's work item, or the thread-safe function of its thread.
template <typename Work, typename Finish>
class AsyncTask {
 public:
  using Outcome = decltype(std::declval<Work&>()());

  static js::Value start(js::Env env, const char* name, Where where, std::shared_ptr<Queued> queued, Work work,
                         Finish finish) {
    std::unique_ptr<AsyncTask> task(new AsyncTask(env, std::move(work), std::move(finish)));
    napi_value promise = nullptr;
    if (napi_create_promise(env, &task->deferred_, &promise) != napi_ok) return {};
    if ((where == Where::OwnThread && task->beginThread(name)) || task->queue(name, std::move(queued))) {
      (void)task.release();  // resolves or rejects, and deletes itself
    } else {
      reject(env, task->deferred_, Error{.message = "no work could be queued"});
    }
    return {env, promise};
  }

 private:
  // regcomp needs more (pattern_cost.h) than musl's default of 128 KiB.
  static constexpr std::size_t kStack = std::size_t{1} << 20;

  AsyncTask(js::Env env, Work work, Finish finish) : env_(env), run_(std::move(work)), finish_(std::move(finish)) {}

  bool queue(const char* name, std::shared_ptr<Queued> queued) {
    const auto execute = [](napi_env, void* data) {
      auto& task = *static_cast<AsyncTask*>(data);
      task.outcome_ = task.run_();
    };
    if (napi_create_async_work(env_, nullptr, js::String::New(env_, name), execute, &AsyncTask::complete, this,
                               &work_) != napi_ok) {
      return false;
    }
    if (napi_queue_async_work(env_, work_) != napi_ok) {
      (void)napi_delete_async_work(env_, work_);
      return false;
    }
    queued_ = std::move(queued);
    if (queued_) queued_->work_ = work_;
    return true;
  }

  static void complete(napi_env env, napi_status status, void* data) {
    const js::HandleScope scope(env);
    const std::unique_ptr<AsyncTask> task(static_cast<AsyncTask*>(data));
    if (task->queued_) task->queued_->work_ = nullptr;
    (void)napi_delete_async_work(env, task->work_);
    if (status == napi_cancelled) task->outcome_ = Error{.code = Code::Closed, .message = "the work was cancelled"};
    task->complete();
  }

  bool beginThread(const char* name) {
    const auto call = [](napi_env env, napi_value, void*, void* data) {
      if (env != nullptr) ended(data);  // null: cleanup() has deleted the task
    };
    if (napi_create_threadsafe_function(env_, nullptr, nullptr, js::String::New(env_, name), 0, 1, nullptr, nullptr,
                                        nullptr, call, &function_) != napi_ok) {
      return false;
    }
    auto started = Thread::start(
        name,
        [this] {
          outcome_ = run_();
          (void)napi_call_threadsafe_function(function_, this, napi_tsfn_nonblocking);
        },
        kStack);
    if (!started) {
      (void)napi_release_threadsafe_function(function_, napi_tsfn_abort);
      return false;
    }
    thread_ = std::move(*started);
    napi_add_env_cleanup_hook(env_, &AsyncTask::cleanup, this);
    return true;
  }

  static void ended(void* data) {
    const std::unique_ptr<AsyncTask> task(static_cast<AsyncTask*>(data));
    napi_remove_env_cleanup_hook(task->env_, &AsyncTask::cleanup, data);
    task->thread_.join();
    (void)napi_release_threadsafe_function(task->function_, napi_tsfn_release);
    task->complete();
  }

  // The environment ends before the work does. Hooks run in reverse order, so the thread-safe function still exists.
  static void cleanup(void* data) {
    const std::unique_ptr<AsyncTask> task(static_cast<AsyncTask*>(data));
    const js::HandleScope scope(task->env_);
    if constexpr (requires { task->run_.stop(); }) task->run_.stop();
    task->thread_.join();
    (void)napi_release_threadsafe_function(task->function_, napi_tsfn_abort);
    (void)task->finish_(task->env_, task->outcome_);
  }

  void complete() {
    Result<js::Value> result = finish_(env_, outcome_);
    if (!result) return reject(env_, deferred_, result.error());
    if (result->IsEmpty()) return reject(env_, deferred_, Error{.message = "no result could be made"});
    if (napi_resolve_deferred(env_, deferred_, *result) != napi_ok) {
      reject(env_, deferred_, Error{.message = "no result could be made"});
    }
  }

  js::Env env_;
  Work run_;
  Finish finish_;
  Outcome outcome_ = Error{};
  napi_deferred deferred_ = nullptr;
  napi_async_work work_ = nullptr;  // on the pool
  std::shared_ptr<Queued> queued_;
  napi_threadsafe_function function_ = nullptr;  // on a thread of its own
  Thread thread_;
};

// Calls work(), which returns a Result, off JavaScript's thread, then finish(env, result) on JavaScript's thread, which
// returns the promise's value or the error to reject it with. finish() is always called, even while the environment
// ends and nothing can be made in it; both functions are then destroyed. If JavaScript cannot run, returns empty and
// calls neither. `name`: at most 15 bytes with Where::OwnThread (Thread::start). If `work` has a function stop(), it is
// called, beside work(), when the environment ends before a thread of its own has: it should make work() return soon.
template <typename Work, typename Finish>
[[nodiscard]] js::Value runAsync(js::Env env, const char* name, Work work, Finish finish, Where where = Where::Pool,
                                 std::shared_ptr<Queued> queued = {}) {
  return AsyncTask<Work, Finish>::start(env, name, where, std::move(queued), std::move(work), std::move(finish));
}

// As above; resolves to undefined.
template <typename Work>
[[nodiscard]] js::Value runAsync(js::Env env, const char* name, Work work, Where where = Where::Pool) {
  const auto finish = [](js::Env env, decltype(work())& done) -> Result<js::Value> {
    if (!done) return std::move(done.error());
    return env.Undefined();
  };
  return runAsync(env, name, std::move(work), finish, where);
}

}  // namespace ringtap::binding
