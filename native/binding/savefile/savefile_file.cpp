// The file of a SavefileWriter (lib/savefile/savefile-writer.ts): a FileSet of one file. It is opened on libuv's thread
// pool, and written and completed on threads of its own: completing a file must not wait for the pool, nor a slow disk
// hold its threads.
//
// The handle and a running call share the file: the last of them closes it. Only one call may run at a time.

#include <memory>
#include <string>
#include <utility>

#include "binding/util/convert.h"
#include "binding/util/exports.h"
#include "binding/util/js.h"
#include "binding/util/run_async.h"
#include "core/savefile/file_set.h"

namespace ringtap::binding {

namespace {

using Shared = std::shared_ptr<FileSet>;
using Handle = js::External<Shared>;

// Calls `call` with the file; `bytes` are kept alive until it returns. `handle`: the promise resolves to a handle, else
// to undefined.
template <typename Call>
js::Value queue(js::Env env, Shared file, Call call, js::Value bytes = {}, bool handle = false) {
  return runAsync(
      env, "ringtap file", [file, call]() -> Result<> { return call(*file); },
      [file, handle, kept = js::Persistent(bytes)](js::Env env, Result<>& done) -> Result<js::Value> {
        if (!done) return std::move(done.error());
        if (!handle) return env.Undefined();
        return Handle::New(env, std::make_unique<Shared>(file));
      },
      handle ? Where::Pool : Where::OwnThread);
}

// Returns null, with an exception pending, if the first argument is no handle.
Shared fileOf(const js::CallbackInfo& info) {
  const Shared* file = handleOf<Shared>(info[0], "a file");
  return file == nullptr ? nullptr : *file;
}

// openSavefileFile(path: string): Promise<SavefileFileHandle>. Placeholders in the path are not replaced.
js::Value open(const js::CallbackInfo& info) {
  FileSetOptions options;
  for (const char letter : info[0].As<js::String>().Utf8Value()) {
    options.path += letter;
    if (letter == '%') options.path += letter;
  }
  return queue(
      info.Env(), std::make_shared<FileSet>(std::move(options)), [](FileSet& file) -> Result<> { return file.begin(); },
      {}, true);
}

// writeSavefileFile(handle, bytes: Uint8Array): Promise<void>
js::Value write(const js::CallbackInfo& info) {
  auto file = fileOf(info);
  if (!file) return {};
  const auto [bytes, length] = info[1].As<js::Uint8Array>().elements();
  const std::span content(reinterpret_cast<const std::byte*>(bytes), length);
  return queue(
      info.Env(), std::move(file), [content](FileSet& file) { return file.write(content); }, info[1]);
}

// completeSavefileFile(handle): Promise<void>. Renames the file to its final name.
js::Value complete(const js::CallbackInfo& info) {
  auto file = fileOf(info);
  if (!file) return {};
  return queue(info.Env(), std::move(file), [](FileSet& file) -> Result<> {
    auto path = file.complete();
    return path ? Result<>{} : Result<>(std::move(path.error()));
  });
}

// abandonSavefileFile(handle): Promise<void>. After an error: the file keeps its hidden name.
// discardSavefileFile(handle): Promise<void>. Removes the file.
template <void (FileSet::*giveUp)()>
js::Value end(const js::CallbackInfo& info) {
  auto file = fileOf(info);
  if (!file) return {};
  return queue(info.Env(), std::move(file), [](FileSet& file) -> Result<> {
    (file.*giveUp)();
    return {};
  });
}

}  // namespace

void initSavefileFile(js::Env env, js::Object exports) {
  exportFunction(env, exports, "openSavefileFile", open);
  exportFunction(env, exports, "writeSavefileFile", write);
  exportFunction(env, exports, "completeSavefileFile", complete);
  exportFunction(env, exports, "abandonSavefileFile", end<&FileSet::abandon>);
  exportFunction(env, exports, "discardSavefileFile", end<&FileSet::discard>);
}

}  // namespace ringtap::binding
