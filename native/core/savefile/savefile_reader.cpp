#include "core/savefile/savefile_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "core/savefile/savefile_format.h"
#include "core/savefile/unpack.h"

namespace ringtap {

namespace {

constexpr std::size_t kReadAtOnce = 256 * 1024;  // larger reads exceed the processor's cache
// Limits on events that wait to be taken.
constexpr std::size_t kMaxEvents = 1024;
constexpr std::size_t kMaxEventBytes = 1 << 20;
// Limits on sections and interfaces that the caller has to keep for one chunk.
constexpr std::size_t kMaxDescribedBlocks = 1024;
constexpr std::size_t kMaxDescribedBytes = 1 << 20;
constexpr std::size_t kKeptOverhead = 512;  // counted per kept block, in addition to its body

std::size_t sizeOf(const std::vector<FileOption>& options) {
  std::size_t size = 0;
  for (const FileOption& option : options) size += option.value.size() + sizeof option;
  return size;
}

std::size_t sizeOf(const SavefileEvent& event) {
  if (const auto* section = std::get_if<FileSection>(&event)) return sizeOf(section->options);
  if (const auto* interface = std::get_if<FileInterface>(&event)) return sizeOf(interface->options);
  if (const auto* block = std::get_if<FileBlock>(&event)) return block->body.size();
  return 0;
}

}  // namespace

SavefileReader::SavefileReader(SavefileConfig config, std::unique_ptr<ByteSource> source, std::function<void()> wake)
    : config_(std::move(config)),
      source_(std::move(source)),
      wake_(std::move(wake)),
      pool_(std::make_shared<BlockPool>(config_.chunkSize, config_.chunkCount)),
      filter_(config_.filter, [this](std::string text) { push(SavefileWarning{std::move(text)}); }) {}

SavefileReader::~SavefileReader() { close(); }

Result<> SavefileReader::start() {
  auto started = Thread::start("ringtap read", [this] { run(); });
  if (!started) return std::move(started.error());
  thread_ = std::move(*started);
  return {};
}

void SavefileReader::stop() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  source_->shut();
  pool_->shut();
}

bool SavefileReader::ended() const {
  std::lock_guard lock(mutex_);
  return finished_ || !thread_.joinable();
}

void SavefileReader::close() {
  stop();
  thread_.join();
  std::lock_guard lock(mutex_);
  chunks_.clear();
  events_.clear();
}

// Avoids waking the reader for each event that is taken.
bool SavefileReader::eventsTaken() const {
  return events_.empty() || (events_.size() <= kMaxEvents / 2 && eventBytes_ <= kMaxEventBytes / 2);
}

std::optional<SavefileEvent> SavefileReader::nextEvent() {
  std::lock_guard lock(mutex_);
  if (events_.empty()) {
    eventsAnnounced_ = false;
    return std::nullopt;
  }
  SavefileEvent event = std::move(events_.front());
  events_.pop_front();
  eventBytes_ -= sizeOf(event);
  ++takenEvents_;
  if (events_.empty()) eventsAnnounced_ = false;
  if (eventsTaken()) changed_.notify_all();
  return event;
}

SavefileReader::Next SavefileReader::nextChunk(std::optional<SavefileChunk>& out) {
  std::lock_guard lock(mutex_);
  if (chunks_.empty()) {
    if (!events_.empty()) return Next::EventsFirst;
    if (finished_) return Next::Finished;
    armed_ = true;
    return Next::Empty;
  }
  if (chunks_.front().events > takenEvents_) return Next::EventsFirst;
  out.emplace(std::move(chunks_.front()));
  chunks_.pop_front();
  return Next::Chunk;
}

std::optional<Error> SavefileReader::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

void SavefileReader::decide(std::uint32_t index, bool selected) {
  std::lock_guard lock(mutex_);
  decided_[index] = selected;
  changed_.notify_all();
}

SavefileStats SavefileReader::stats() const {
  std::lock_guard lock(mutex_);
  return stats_;
}

void SavefileReader::run() {
  Result<> done = work();
  handOver();
  if (sections_) pushReady();
  {
    std::lock_guard lock(mutex_);
    if (!done) failure_ = std::move(done.error());
    finished_ = true;
    armed_ = false;
    eventsAnnounced_ = true;
  }
  wake_();
}

Result<> SavefileReader::work() {
  if (auto good = filter_.check(); !good) return good;
  CountedSource packed(*source_);
  auto packing = packingOf(packed);
  if (!packing) return packing.error();
  std::unique_ptr<ByteSource> unpacked;
  if (*packing != Packing::None) {
    auto opened = unpack(packed, *packing);
    if (!opened) return opened.error();
    unpacked = std::move(*opened);
  }
  CountedSource plain(unpacked ? *unpacked : static_cast<ByteSource&>(packed));
  auto start = plain.peek(8);
  if (!start) return start.error();
  ParserLimits limits;
  limits.snapshotLength = config_.snapshotLength;
  limits.packet = BlockFiller::capacity(config_.chunkSize);
  limits.item = config_.chunkSize + 65536;
  limits.packetOptions = config_.packetOptions;
  auto parser = parserFor(*start, limits, *this);
  if (!parser) return parser.error();
  parser_ = std::move(*parser);
  if (auto enlarged = enlargeBuffer(kReadAtOnce); !enlarged) return enlarged;
  compressed_ = unpacked != nullptr;
  Result<> done = parseAll(packed, plain);
  note(packed, plain);
  return done;
}

Result<> SavefileReader::parseAll(CountedSource& packed, CountedSource& plain) {
  for (;;) {
    std::size_t consumed = 0;
    auto step = parser_->parse(std::span(buffer_.get() + begin_, end_ - begin_), filler_, consumed);
    begin_ += consumed;
    position_ = compressed_ ? packed.count() : parser_->offset();
    if (!step) return step.error();
    switch (step->why) {
      case ParseStep::Why::Full: {
        if (block_ && filler_.empty()) {
          Error error{Code::FileDamaged, "a packet that no chunk can hold, with its options, at byte " +
                                             std::to_string(parser_->offset())};
          error.offset = static_cast<std::int64_t>(parser_->offset());
          return error;
        }
        note(packed, plain);
        auto more = newChunk();
        if (!more) return more.error();
        if (!*more) return {};  // closed
        pushReady();
        break;
      }
      case ParseStep::Why::Skip:
        if (auto skipped = skip(plain, step->amount); !skipped) return skipped;
        break;
      case ParseStep::Why::More: {
        if (interfaces_) pushReady();
        note(packed, plain);
        if (!filler_.empty() && !plain.ready(config_.maxDelayMilliseconds)) handOver();
        bool ended = false;
        if (auto got = fetch(plain, step->amount, ended); !got) return got;
        if (ended) return parser_->end(end_ - begin_);
        break;
      }
    }
  }
}

// Reads at least one more byte, into a buffer that can hold `needed` contiguous bytes.
Result<> SavefileReader::fetch(CountedSource& plain, std::size_t needed, bool& ended) {
  if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  // `needed` is bounded by the parser's limits.
  if (needed > bufferSize_) {
    auto enlarged = enlargeBuffer(std::max(needed, std::min(2 * bufferSize_, 2 * needed)));
    if (!enlarged) return enlarged;
  }
  auto got = plain.read(std::span(buffer_.get() + end_, bufferSize_ - end_));
  if (!got) return got.error();
  end_ += *got;
  ended = *got == 0;
  return {};
}

Result<> SavefileReader::enlargeBuffer(std::size_t size) {
  std::unique_ptr<std::uint8_t[]> larger(new (std::nothrow) std::uint8_t[size]);
  if (!larger) return Error{Code::System, "no memory to read the file", ENOMEM};
  if (end_ > 0) std::memcpy(larger.get(), buffer_.get(), end_);
  buffer_ = std::move(larger);
  bufferSize_ = size;
  return {};
}

Result<> SavefileReader::skip(CountedSource& plain, std::uint64_t amount) {
  const std::uint64_t whole = amount;
  for (;;) {
    const std::size_t here = std::min<std::uint64_t>(amount, end_ - begin_);
    begin_ += here;
    amount -= here;
    if (amount == 0) return {};
    bool ended = false;
    if (auto got = fetch(plain, 1, ended); !got) return got;
    if (ended) return parser_->end(whole - amount);
  }
}

Result<bool> SavefileReader::newChunk() {
  handOver();
  auto taken = pool_->take();
  if (!taken) return taken.error();
  if (!*taken) return false;
  block_ = std::move(*taken);
  filler_ = BlockFiller(block_->memory(), pool_->size());
  return true;
}

void SavefileReader::handOver() {
  if (!block_ || filler_.empty()) return;
  block_->summary = filler_.summary();
  filler_ = {};
  pushReady();
  std::unique_lock lock(mutex_);
  chunks_.push_back({std::move(block_), pushedEvents_, position_});
  if (!std::exchange(armed_, false)) return;
  lock.unlock();
  wake_();
}

void SavefileReader::pushReady() {
  if (!std::exchange(ready_, true)) push(SavefileReady{});
}

void SavefileReader::push(SavefileEvent event) {
  const std::size_t size = sizeOf(event);
  std::unique_lock lock(mutex_);
  if (events_.size() >= kMaxEvents || eventBytes_ + size > kMaxEventBytes) {
    changed_.wait(lock, [this] { return closed_ || eventsTaken(); });
  }
  if (closed_) return;
  eventBytes_ += size;
  events_.push_back(std::move(event));
  ++pushedEvents_;
  if (std::exchange(eventsAnnounced_, true)) return;
  lock.unlock();
  wake_();
}

void SavefileReader::note(const CountedSource& packed, const CountedSource& plain) {
  std::lock_guard lock(mutex_);
  stats_.bytesRead = packed.count();
  // Not the parser's offset, which is beyond the file's end if a block claims more bytes than the file has.
  stats_.unpacked = plain.count() - plain.ahead() - (end_ - begin_);
  stats_.parser = parser_->stats();
}

Result<> SavefileReader::section(FileSection section) {
  sections_ = true;
  bigEndian_ = section.bigEndian;
  // Not for every section, or chunks would be as small as the sections.
  if (described_ > kMaxDescribedBlocks || describedBytes_ > kMaxDescribedBytes) {
    if (!compressed_) position_ = parser_->offset();
    handOver();
  }
  section.fresh = filler_.empty();
  if (section.fresh) described_ = describedBytes_ = 0;
  ++described_;
  describedBytes_ += sizeOf(section.options);
  push(std::move(section));
  return {};
}

Result<InterfaceRule> SavefileReader::interface(FileInterface interface) {
  interfaces_ = true;
  InterfaceRule rule;
  const std::uint16_t linkType = interface.linkType;
  const std::uint32_t index = interface.index;
  ++described_;
  describedBytes_ += sizeOf(interface.options);
  push(std::move(interface));
  if (config_.selecting) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || decided_.contains(index); });
    if (closed_) return Error{Code::Closed, "the savefile is closed"};
    rule.selected = decided_.extract(index).mapped();
  }
  if (!rule.selected) return rule;
  auto filter = filter_.programFor(linkType, bigEndian_);
  if (!filter) return filter.error();
  rule.filter = *filter;
  return rule;
}

bool SavefileReader::wanted(std::uint32_t type, std::size_t bytes, std::uint64_t offset) {
  using namespace savefile;
  const std::uint32_t given = type;
  switch (type) {
    case kCustomOnce: type = kCustom; break;
    case kNameResolution:
    case kInterfaceStatistics:
    case kDecryptionSecrets:
    case kCustom: break;
    default: type = kOtherBlocks;
  }
  if (std::find(config_.keep.begin(), config_.keep.end(), type) == config_.keep.end()) return false;
  if (bytes <= kLargestKept && bytes + kKeptOverhead <= config_.keepMemory - kept_) return true;
  if (!std::exchange(keepFull_, true)) {
    push(SavefileWarning{
        "the block at byte " + std::to_string(offset) + ", of type " + std::to_string(given) + " and with " +
        std::to_string(bytes) +
        " bytes, is not kept: there is no room for it, nor for others that are passed over from here on"});
  }
  return false;
}

void SavefileReader::warning(std::string text) { push(SavefileWarning{std::move(text)}); }

Result<> SavefileReader::block(FileBlock block) {
  kept_ += block.body.size() + kKeptOverhead;
  push(std::move(block));
  return {};
}

}  // namespace ringtap
