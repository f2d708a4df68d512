// Runs work on libuv's thread pool and returns a promise for its result.
#pragma once

#include <memory>
#include <utility>

#include "binding/util/errors.h"
#include "binding/util/js.h"
#include "core/util/result.h"

namespace ringtap::binding {

// Rejects with a pending exception, or else with `error`. Does nothing if JavaScript cannot run.
void reject(js::Env env, napi_deferred deferred, const Error& error);

namespace detail {

template <typename Work, typename Finish>
class AsyncTask {
 public:
  using Outcome = decltype(std::declval<Work&>()());

  static js::Value start(js::Env env, const char* name, Work work, Finish finish) {
    std::unique_ptr<AsyncTask> task(new AsyncTask(std::move(work), std::move(finish)));
    napi_value promise = nullptr;
    if (napi_create_promise(env, &task->deferred_, &promise) != napi_ok) return {};
    if (napi_create_async_work(env, nullptr, js::String::New(env, name), &AsyncTask::execute, &AsyncTask::complete,
                               task.get(), &task->work_) != napi_ok) {
      reject(env, task->deferred_, Error{.message = "no work could be queued"});
      return {env, promise};
    }
    if (napi_queue_async_work(env, task->work_) != napi_ok) {
      (void)napi_delete_async_work(env, task->work_);
      reject(env, task->deferred_, Error{.message = "no work could be queued"});
      return {env, promise};
    }
    (void)task.release();  // complete() owns it now
    return {env, promise};
  }

 private:
  AsyncTask(Work work, Finish finish) : run_(std::move(work)), finish_(std::move(finish)) {}

  static void execute(napi_env, void* data) {
    auto& task = *static_cast<AsyncTask*>(data);
    task.outcome_ = task.run_();
  }

  static void complete(napi_env env, napi_status status, void* data) {
    const js::HandleScope scope(env);
    const std::unique_ptr<AsyncTask> task(static_cast<AsyncTask*>(data));
    (void)napi_delete_async_work(env, task->work_);
    if (status == napi_cancelled) task->outcome_ = Error{.code = Code::Closed, .message = "the work was cancelled"};
    Result<js::Value> settled = task->finish_(js::Env(env), task->outcome_);
    if (!settled) return reject(env, task->deferred_, settled.error());
    if (settled->IsEmpty()) return reject(env, task->deferred_, Error{.message = "no result could be made"});
    if (napi_resolve_deferred(env, task->deferred_, *settled) != napi_ok) {
      reject(env, task->deferred_, Error{.message = "no result could be made"});
    }
  }

  Work run_;
  Finish finish_;
  Outcome outcome_ = Error{};
  napi_deferred deferred_ = nullptr;
  napi_async_work work_ = nullptr;
};

}  // namespace detail

// Calls work(), which returns a Result, on a thread of the pool, then finish(env, result) on JavaScript's thread, which
// returns the promise's value or the error to reject it with. finish() is always called, even while the environment
// ends and nothing can be made in it; both functions are then destroyed. If JavaScript cannot run, returns empty and
// calls neither.
template <typename Work, typename Finish>
[[nodiscard]] js::Value runAsync(js::Env env, const char* name, Work work, Finish finish) {
  return detail::AsyncTask<Work, Finish>::start(env, name, std::move(work), std::move(finish));
}

// As above; resolves to undefined.
template <typename Work>
[[nodiscard]] js::Value runAsync(js::Env env, const char* name, Work work) {
  return runAsync(env, name, std::move(work), [](js::Env env, decltype(work())& done) -> Result<js::Value> {
    if (!done) return std::move(done.error());
    return env.Undefined();
  });
}

}  // namespace ringtap::binding
