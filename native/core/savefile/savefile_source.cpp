#include "core/savefile/savefile_source.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace ringtap {

Result<std::unique_ptr<SavefileSource>> SavefileSource::open(const std::string& path, SavefileConfig config,
                                                             OnEvent onEvent) {
  // Non-blocking, because opening a FIFO would wait for a writer.
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return Error::fromErrno("open", "the file " + path + " cannot be opened");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return Error::fromErrno("fstat", path);
  if (!S_ISREG(status.st_mode)) return Error{.code = Code::Option, .message = path + " is not a regular file"};
  std::unique_ptr<SavefileSource> source(new SavefileSource(std::move(file), std::move(config), std::move(onEvent)));
  source->fileSize_ = static_cast<std::uint64_t>(status.st_size);
  if (auto started = source->reader_.start(); !started) return std::move(started.error());
  return source;
}

SavefileSource::SavefileSource(UniqueFd file, SavefileConfig config, OnEvent onEvent)
    : onEvent_(std::move(onEvent)), reader_(std::move(config), std::make_unique<FileSource>(std::move(file)), [this] {
        std::lock_guard lock(mutex_);
        woken_ = true;
        changed_.notify_all();
      }) {}

bool SavefileSource::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return woken_ || shut_; });
  woken_ = false;
  return !shut_;
}

Result<SourceBlock> SavefileSource::next() {
  chunk_.reset();
  for (;;) {
    switch (reader_.nextChunk(chunk_)) {
      case SavefileReader::Next::Chunk:
        return SourceBlock{chunk_->block->memory(), chunk_->block->summary.packets, chunk_->block->summary.length};
      case SavefileReader::Next::EventsFirst:
        if (auto event = reader_.nextEvent()) onEvent_(*event);
        break;
      case SavefileReader::Next::Finished: {
        auto failure = reader_.failure();
        if (failure) return std::move(*failure);
        return SourceBlock{};
      }
      case SavefileReader::Next::Empty:
        if (!wait()) return SourceBlock{};
        break;
    }
  }
}

void SavefileSource::shut() {
  std::lock_guard lock(mutex_);
  shut_ = true;
  changed_.notify_all();
}

}  // namespace ringtap
