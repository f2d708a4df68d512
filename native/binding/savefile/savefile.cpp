// The class behind lib/savefile/savefile.ts: returns events and chunks, takes a stream's bytes, and closes with its
// environment.
#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "binding/block/leases.h"
#include "binding/savefile/savefile_events.h"
#include "binding/util/convert.h"
#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/instance.h"
#include "binding/util/js.h"
#include "binding/util/layouts.h"
#include "binding/util/waker.h"
#include "core/savefile/savefile_reader.h"

namespace ringtap::binding {

namespace {

constexpr std::size_t kFeedBuffer = 512 * 1024;
// Released chunks may take so many times the memory for chunks until they are collected (deferred_memory.h).
constexpr std::size_t kDeferredFactor = 8;

class PoolOwner final : public Leases::Owner {
 public:
  explicit PoolOwner(std::unique_ptr<PooledBlock> block) : block_(std::move(block)) {}
  [[nodiscard]] std::optional<Remains> vacate(DeferredMemory& deferred) override { return block_->vacate(deferred); }

 private:
  std::unique_ptr<PooledBlock> block_;
};

class SavefileHandle : public js::ObjectWrap<SavefileHandle> {
 public:
  static void init(js::Env env) {
    Instance::of(env).savefile = js::Persistent(DefineClass(env, "Savefile",
                                                            {
                                                                InstanceMethod<&SavefileHandle::nextEvent>("nextEvent"),
                                                                InstanceMethod<&SavefileHandle::nextChunk>("nextChunk"),
                                                                InstanceMethod<&SavefileHandle::failure>("failure"),
                                                                InstanceMethod<&SavefileHandle::release>("release"),
                                                                InstanceMethod<&SavefileHandle::decide>("decide"),
                                                                InstanceMethod<&SavefileHandle::feed>("feed"),
                                                                InstanceMethod<&SavefileHandle::feedEnd>("feedEnd"),
                                                                InstanceMethod<&SavefileHandle::hold>("hold"),
                                                                InstanceMethod<&SavefileHandle::stats>("stats"),
                                                                InstanceMethod<&SavefileHandle::close>("close"),
                                                                InstanceMethod<&SavefileHandle::closed>("closed"),
                                                            }));
  }

  explicit SavefileHandle(const js::CallbackInfo& info) : env_(info.Env()) {}

  ~SavefileHandle() override {
    if (!reader_) return;
    if (hooked_) napi_remove_env_cleanup_hook(env_, &SavefileHandle::cleanup, this);
    cleanup(this);
  }

  // Without a descriptor, feed() supplies the bytes. Returns empty if the object cannot be made.
  static js::Object make(js::Env env, SavefileConfig config, UniqueFd fd, bool copying, js::Function wake) {
    js::Object object = Instance::of(env).savefile.Value().construct();
    SavefileHandle* self = Unwrap(object);
    if (self == nullptr) return {};
    self->waker_ = Waker::make(env, wake);
    if (!self->waker_) return {};
    self->leases_ = std::make_unique<Leases>(copying, kDeferredFactor * config.chunkCount * config.chunkSize);
    std::unique_ptr<ByteSource> source;
    if (fd) {
      source = std::make_unique<FileSource>(std::move(fd));
    } else {
      auto feed = std::make_unique<FeedSource>(kFeedBuffer, [waker = self->waker_] { (*waker)(); });
      self->feed_ = feed.get();
      source = std::move(feed);
    }
    self->reader_ =
        std::make_unique<SavefileReader>(std::move(config), std::move(source), [waker = self->waker_] { (*waker)(); });
    if (auto started = self->reader_->start(); !started) {
      cleanup(self);
      throwError(env, started.error());
      return {};
    }
    napi_add_env_cleanup_hook(env, &SavefileHandle::cleanup, self);
    self->hooked_ = true;
    return object;
  }

 private:
  // Runs when the environment ends, or when the object is garbage collected.
  static void cleanup(void* data) {
    auto* self = static_cast<SavefileHandle*>(data);
    self->hooked_ = false;
    self->feed_ = nullptr;
    if (!self->reader_) return;
    self->reader_.reset();
    self->waker_->release();
  }

  js::Value nextEvent(const js::CallbackInfo& info) {
    if (!reader_) return info.Env().Undefined();
    const auto event = reader_->nextEvent();
    return event ? savefileEventToJs(info.Env(), *event) : info.Env().Undefined();
  }

  // nextChunk(meta: ArrayBuffer): ArrayBuffer or NoBlock. Empty: wake() will be called.
  js::Value nextChunk(const js::CallbackInfo& info) {
    const auto none = [&](NoBlock why) { return js::Number::New(info.Env(), static_cast<double>(why)); };
    if (!reader_) return none(NoBlock::Finished);
    std::optional<SavefileChunk> chunk;
    switch (reader_->nextChunk(chunk)) {
      case SavefileReader::Next::Empty: return none(NoBlock::Empty);
      case SavefileReader::Next::EventsFirst: return none(NoBlock::EventsFirst);
      case SavefileReader::Next::Finished: return none(NoBlock::Finished);
      case SavefileReader::Next::Chunk: break;
    }
    const BlockSummary summary = chunk->block->summary;
    std::byte* memory = chunk->block->memory();
    std::uint32_t number = 0;
    const js::Value buffer =
        leases_->lend(info.Env(), memory, summary, std::make_unique<PoolOwner>(std::move(chunk->block)), number);
    void* data = info[0].As<js::ArrayBuffer>().Data();
    if (data == nullptr) return {};
    auto* meta = static_cast<double*>(data);
    auto* times = static_cast<std::uint64_t*>(data);
    meta[chunk_meta::kPackets] = summary.packets;
    meta[chunk_meta::kBytes] = static_cast<double>(summary.bytes);
    meta[chunk_meta::kPosition] = static_cast<double>(chunk->position);
    meta[chunk_meta::kLease] = number;
    times[chunk_meta::kFirstTimestamp] = summary.firstTimestamp;
    times[chunk_meta::kLastTimestamp] = summary.lastTimestamp;
    return buffer;
  }

  js::Value failure(const js::CallbackInfo& info) {
    if (!reader_) return info.Env().Undefined();
    const auto error = reader_->failure();
    return error ? toJs(info.Env(), *error) : info.Env().Undefined();
  }

  // release(lease: number, exposed: boolean)
  void release(const js::CallbackInfo& info) {
    leases_->release(info.Env(), info[0].As<js::Number>().Uint32Value(), info[1].As<js::Boolean>().Value());
  }

  void decide(const js::CallbackInfo& info) {
    if (reader_) reader_->decide(info[0].As<js::Number>().Uint32Value(), info[1].As<js::Boolean>().Value());
  }

  // feed(bytes, from): returns how many of the bytes from `from` on were taken
  js::Value feed(const js::CallbackInfo& info) {
    const auto [bytes, length] = info[0].As<js::Uint8Array>().elements();
    const std::size_t from = std::min<std::size_t>(info[1].As<js::Number>().Uint32Value(), length);
    const std::size_t left = length - from;
    const std::size_t taken = feed_ == nullptr ? left : feed_->feed({bytes + from, left});
    return js::Number::New(info.Env(), static_cast<double>(taken));
  }

  void feedEnd(const js::CallbackInfo&) {
    if (feed_ != nullptr) feed_->end();
  }

  void hold(const js::CallbackInfo& info) {
    if (reader_) waker_->hold(info.Env(), info[0].As<js::Boolean>().Value());
  }

  js::Value stats(const js::CallbackInfo& info) {
    const SavefileStats stats = reader_ ? reader_->stats() : SavefileStats{};
    js::Object object = js::Object::New(info.Env());
    object.Set("bytesRead", stats.bytesRead);
    object.Set("unpacked", stats.unpacked);
    object.Set("packets", stats.parser.packets);
    object.Set("unselected", stats.parser.unselected);
    object.Set("filtered", stats.parser.filtered);
    object.Set("skippedBlocks", stats.parser.skippedBlocks);
    object.Set("clampedTimes", stats.parser.clampedTimes);
    return object;
  }

  // close(): stops the reader and releases all lent chunks. `wake` is called when the reader's thread has ended.
  void close(const js::CallbackInfo& info) {
    if (!reader_) return;
    leases_->close(info.Env());
    feed_ = nullptr;
    reader_->stop();
  }

  // closed(): whether the reader's thread has ended. Not awaited on the thread pool, whose threads may all be busy.
  js::Value closed(const js::CallbackInfo& info) {
    if (reader_ && !reader_->ended()) return js::Boolean::New(info.Env(), false);
    if (reader_) {
      napi_remove_env_cleanup_hook(env_, &SavefileHandle::cleanup, this);
      cleanup(this);
    }
    return js::Boolean::New(info.Env(), true);
  }

  js::Env env_;
  std::shared_ptr<Waker> waker_;
  std::unique_ptr<SavefileReader> reader_;
  FeedSource* feed_ = nullptr;  // owned by the reader
  std::unique_ptr<Leases> leases_;
  bool hooked_ = false;
};

// openSavefile(options: NativeSavefileOptions, fd: number, wake: () => void): NativeSavefile. The caller keeps the
// descriptor; -1: the bytes come through feed().
js::Value openSavefile(const js::CallbackInfo& info) {
  const js::Env env = info.Env();
  const Fields options(info[0]);
  SavefileConfig config;
  config.chunkSize = options.number("chunkSize");
  config.chunkCount = options.number("chunkCount");
  config.maxDelayMilliseconds = static_cast<int>(options.number("maxDelay"));
  config.snapshotLength = options.number("snapshotLength");
  config.selecting = options.flag("selecting");
  config.packetOptions = options.flag("comments");
  config.keepMemory = options.large("keepMemory");
  config.keep = options.numbers("keep");
  config.filter = options.optionalText("filter");
  if (!env.canRun()) return {};
  UniqueFd fd;
  if (const int given = info[1].As<js::Number>().Int32Value(); given >= 0) {
    fd = UniqueFd(::fcntl(given, F_DUPFD_CLOEXEC, 0));
    if (!fd) {
      throwError(env, Error::fromErrno("fcntl"));
      return {};
    }
  }
  return SavefileHandle::make(env, std::move(config), std::move(fd), options.flag("copying"),
                              info[2].As<js::Function>());
}

}  // namespace

void initSavefile(js::Env env, js::Object exports) {
  SavefileHandle::init(env);
  exportFunction(env, exports, "openSavefile", openSavefile);
}

}  // namespace ringtap::binding
