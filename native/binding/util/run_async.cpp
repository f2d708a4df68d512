#include "binding/util/run_async.h"

namespace ringtap::binding {

void reject(js::Env env, napi_deferred deferred, const Error& error) {
  js::Value reason = env.IsExceptionPending() ? js::Value() : toJs(env, error);
  if (reason.IsEmpty()) {
    napi_value thrown = nullptr;
    if (napi_get_and_clear_last_exception(env, &thrown) != napi_ok) return;
    reason = {env, thrown};
  }
  if (!reason.IsEmpty()) (void)napi_reject_deferred(env, deferred, reason);
}

}  // namespace ringtap::binding
