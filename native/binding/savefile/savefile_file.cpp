// The file of a SavefileWriter (lib/savefile/savefile-writer.ts): a FileSet of one file, used on libuv's thread pool.
//
// The handle and a call that runs share the file: whichever goes last closes it. One call at a time.
#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "core/savefile/file_set.h"

namespace ringtap::binding {

namespace {

using Shared = std::shared_ptr<FileSet>;
using Handle = Napi::External<Shared>;

class FileWorker final : public Napi::AsyncWorker {
 public:
  // `bytes` are kept until the call is done. `handle`: the promise resolves to one, otherwise to undefined.
  FileWorker(Napi::Env env, Shared file, std::function<Result<>(FileSet&)> call, Napi::Value bytes, bool handle)
      : AsyncWorker(env, "ringtap:savefile"),
        deferred_(Napi::Promise::Deferred::New(env)),
        file_(std::move(file)),
        call_(std::move(call)),
        handle_(handle) {
    if (bytes.IsObject()) bytes_ = Napi::Persistent(bytes.As<Napi::Object>());
  }
  [[nodiscard]] Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override { done_ = call_(*file_); }
  void OnOK() override {
    if (!done_) {
      deferred_.Reject(toJs(Env(), done_.error()));
    } else if (handle_) {
      deferred_.Resolve(
          Handle::New(Env(), new Shared(std::move(file_)), [](Napi::BasicEnv, Shared* shared) { delete shared; }));
    } else {
      deferred_.Resolve(Env().Undefined());
    }
  }

  Napi::Promise::Deferred deferred_;
  Shared file_;
  std::function<Result<>(FileSet&)> call_;
  Napi::ObjectReference bytes_;
  bool handle_;
  Result<> done_;
};

Napi::Value queue(Napi::Env env, Shared file, std::function<Result<>(FileSet&)> call, Napi::Value bytes = {},
                  bool handle = false) {
  auto* worker = new FileWorker(env, std::move(file), std::move(call), bytes, handle);
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

const Shared& fileOf(const Napi::CallbackInfo& info) { return *info[0].As<Handle>().Data(); }

// openSavefileFile(path: string): Promise<SavefileFileHandle>. The path is taken as it is, without placeholders.
Napi::Value open(const Napi::CallbackInfo& info) {
  FileSetOptions options;
  for (const char letter : info[0].As<Napi::String>().Utf8Value()) {
    options.path += letter;
    if (letter == '%') options.path += letter;
  }
  return queue(
      info.Env(), std::make_shared<FileSet>(std::move(options)), [](FileSet& file) { return file.begin(); }, {}, true);
}

// writeSavefileFile(handle, bytes: Uint8Array): Promise<void>
Napi::Value write(const Napi::CallbackInfo& info) {
  const auto bytes = info[1].As<Napi::Uint8Array>();
  const std::span content(reinterpret_cast<const std::byte*>(bytes.Data()), bytes.ByteLength());
  return queue(
      info.Env(), fileOf(info), [content](FileSet& file) { return file.write(content); }, bytes);
}

// completeSavefileFile(handle): Promise<void>. The file gets its name.
Napi::Value complete(const Napi::CallbackInfo& info) {
  return queue(info.Env(), fileOf(info), [](FileSet& file) -> Result<> {
    auto path = file.complete();
    return path ? Result<>{} : Result<>(std::move(path.error()));
  });
}

// abandonSavefileFile(handle): Promise<void>. After an error: the file keeps its hidden name.
Napi::Value abandon(const Napi::CallbackInfo& info) {
  return queue(info.Env(), fileOf(info), [](FileSet& file) {
    file.abandon();
    return Result<>{};
  });
}

}  // namespace

void initSavefileFile(Napi::Env env, Napi::Object exports) {
  exports.Set("openSavefileFile", Napi::Function::New(env, open, "openSavefileFile"));
  exports.Set("writeSavefileFile", Napi::Function::New(env, write, "writeSavefileFile"));
  exports.Set("completeSavefileFile", Napi::Function::New(env, complete, "completeSavefileFile"));
  exports.Set("abandonSavefileFile", Napi::Function::New(env, abandon, "abandonSavefileFile"));
}

}  // namespace ringtap::binding
