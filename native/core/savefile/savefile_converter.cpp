#include "core/savefile/savefile_converter.h"

#include <algorithm>
#include <cstring>
#include <queue>
#include <unordered_map>
#include <utility>

#include "core/savefile/packet_options.h"
#include "core/savefile/savefile_blocks.h"
#include "core/savefile/savefile_description.h"

namespace ringtap {

namespace {

constexpr std::size_t kWriteAtOnce = 1 << 20;
// Enough for the largest packet, and small, because all inputs of a merge are open at the same time.
constexpr std::size_t kChunkSize = 512 * 1024;
constexpr std::size_t kChunks = 2;
constexpr std::uint64_t kNoteEvery = 4096;
constexpr std::size_t kMaxDescriptions = 65'536;  // of an output: as many as a reader accepts
constexpr std::size_t kMaxDescribed = 16u << 20;  // bytes of their descriptions
constexpr std::size_t kMaxPassthrough = 16u << 20;

SavefileConfig configOf(const ConvertOptions& options) {
  SavefileConfig config;
  config.chunkSize = kChunkSize;
  config.chunkCount = kChunks;
  config.snapshotLength = UINT32_MAX;
  config.filter = options.filter;
  config.selecting = options.selecting;
  config.keep = options.keep;
  config.keepMemory = SIZE_MAX;  // no limit: blocks are passed on, not kept
  config.packetOptions = options.form.format == SavefileFormat::Pcapng;
  return config;
}

}  // namespace

// An input file and its next packet.
class SavefileConverter::Input {
 public:
  struct Interface {
    SavefileInterface described;
    std::uint64_t file = 0;  // the number of the output file for which `id` is valid
    std::uint32_t id = 0;
  };

  // Returns false at the end.
  Result<bool> advance() {
    while (at_ == block_.packets) {
      auto next = source->next();
      if (!next) return next.error();
      block_ = *next;
      at_ = 0;
      if (block_.memory == nullptr) return false;
    }
    std::uint32_t entry;
    std::memcpy(&entry, block_.memory + kIndexStart + std::size_t{at_++} * sizeof entry, sizeof entry);
    const std::uint32_t offset = indexedOffset(entry);
    record = Record{reinterpret_cast<RecordHeader*>(block_.memory + offset), offset};
    std::memcpy(&timestamp, block_.memory + offset + kRecordTimestamp, sizeof timestamp);
    return true;
  }

  // Appends the options of the current packet.
  void appendOptions(ByteSink& sink) const { ringtap::appendOptions(record, block_.memory + block_.length, sink); }

  std::string path;
  std::unique_ptr<SavefileSource> source;
  FileSection section;
  std::uint32_t sections = 0;
  // By index in the file; only of sections from which packets may still come.
  std::unordered_map<std::uint32_t, Interface> interfaces;
  bool warned = false;  // about a block that is not carried over
  Record record{};
  std::uint64_t timestamp = 0;

 private:
  SourceBlock block_;
  std::uint32_t at_ = 0;
};

SavefileConverter::SavefileConverter(ConvertOptions options)
    : options_(std::move(options)), files_(options_.files), writer_(sink_, options_.form) {}

SavefileConverter::~SavefileConverter() = default;

void SavefileConverter::stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  for (SavefileSource* source : open_) source->shut();
  answered_.notify_all();
}

ConvertStats SavefileConverter::stats() const {
  std::lock_guard lock(mutex_);
  ConvertStats now = stats_;
  now.bytesRead = bytesDone_;
  for (const SavefileSource* source : open_) now.bytesRead += source->bytesRead();
  return now;
}

std::optional<InterfaceQuestion> SavefileConverter::question() const {
  std::lock_guard lock(mutex_);
  return question_;
}

void SavefileConverter::answer(bool selected) {
  std::lock_guard lock(mutex_);
  answer_ = selected;
  answered_.notify_all();
}

Result<> SavefileConverter::run() {
  Result<> done = convert();
  files_.discard();  // has no effect after success
  closeInputs();
  return done;
}

Result<> SavefileConverter::convert() {
  if (auto begun = beginFile(); !begun) return begun;
  auto taken = options_.byTime ? mergeByTime() : append();
  note();
  if (!taken || stopped_) return taken;
  if (options_.selecting && selected_ == 0) {
    return Error{Code::NoInterface, "no interface of the inputs is selected"};
  }
  return endFile();
}

Result<std::unique_ptr<SavefileConverter::Input>> SavefileConverter::openInput(const std::string& path) {
  auto input = std::make_unique<Input>();
  input->path = path;
  auto source = SavefileSource::open(path, configOf(options_),
                                     [this, to = input.get()](SavefileEvent& event) { handle(*to, event); });
  if (!source) return source.error();
  input->source = std::move(*source);
  std::lock_guard lock(mutex_);
  stats_.bytesTotal = counted_.bytesTotal += input->source->fileSize();
  open_.push_back(input->source.get());
  if (stopped_) input->source->shut();
  return input;
}

void SavefileConverter::closeInputs() {
  {
    std::lock_guard lock(mutex_);
    for (const SavefileSource* source : open_) {
      bytesDone_ += source->bytesRead();
      counted_.clampedTimes += source->clampedTimes();
    }
    stats_.clampedTimes = counted_.clampedTimes;
    open_.clear();
  }
  inputs_.clear();
}

// Events arrive in file order: before the packets they apply to, and after the packets of the previous block.
void SavefileConverter::handle(Input& input, SavefileEvent& event) {
  if (auto* section = std::get_if<FileSection>(&event)) {
    if (section->fresh) input.interfaces.clear();
    input.section = std::move(*section);
    ++input.sections;
  } else if (auto* interface = std::get_if<FileInterface>(&event)) {
    if (options_.selecting) {
      const bool selected = ask(input, *interface);
      input.source->decide(interface->index, selected);
      if (!selected) return;
    }
    ++selected_;
    Input::Interface& one = input.interfaces[interface->index];
    one.described = describe(*interface, input.section.bigEndian);
    if (!first_) first_ = one.described;
  } else if (auto* block = std::get_if<FileBlock>(&event)) {
    keep(input, *block);
  } else if (auto* warning = std::get_if<SavefileWarning>(&event)) {
    warnings_.push_back(input.path + ": " + warning->text);
  }
}

bool SavefileConverter::ask(const Input& input, const FileInterface& interface) {
  std::unique_lock lock(mutex_);
  question_ = InterfaceQuestion{input.section, input.sections - 1, interface};
  answer_.reset();
  lock.unlock();
  wake_();
  lock.lock();
  answered_.wait(lock, [this] { return stopped_ || answer_; });
  question_.reset();
  return answer_.value_or(false);
}

// Name resolution and decryption secrets apply to all packets after them, also to those in later files. The meaning of
// custom blocks is unknown: they are only copied at their place.
void SavefileConverter::keep(Input& input, const FileBlock& block) {
  if (failure_) return;
  const auto warnOnce = [&](const char* why) {
    if (std::exchange(input.warned, true)) return;
    warnings_.push_back(input.path + ": the block of type " + std::to_string(block.type) + " at byte " +
                        std::to_string(block.offset) + " is not carried over, nor may be others: " + why);
  };
  const auto converted = passThrough(block);
  if (!converted) {
    return warnOnce(block.type == savefile::kCustomOnce ? "it says that it must not be copied"
                                                        : "it is damaged, or has numbers of the other byte order at "
                                                          "places that are not known");
  }
  if (block.type != savefile::kCustom) {
    std::string all(reinterpret_cast<const char*>(&converted->type), sizeof converted->type);
    all.append(converted->body.begin(), converted->body.end());
    if (known_.contains(all)) return;
    if (all.size() > kMaxPassthrough - passedThroughBytes_) return warnOnce("there are more than 16 MiB of them");
    passedThroughBytes_ += all.size();
    passedThrough_.push_back(&*known_.insert(std::move(all)).first);
  }
  writer_.block(converted->type, converted->body);
  if (sink_.size() < kWriteAtOnce) return;
  if (auto flushed = flush(); !flushed) {
    failure_ = std::move(flushed.error());
    input.source->shut();
  }
}

// Returns false at the end.
Result<bool> SavefileConverter::nextOf(Input& input) {
  auto more = input.advance();
  if (failure_) return std::move(*failure_);
  if (!more && options_.keepDamaged &&
      (more.error().code == Code::FileDamaged || more.error().code == Code::FileTruncated)) {
    warnings_.push_back(input.path + ": what follows is left out: " + more.error().message);
    return false;
  }
  return more;
}

Result<> SavefileConverter::mergeByTime() {
  for (const std::string& path : options_.inputs) {
    auto input = openInput(path);
    if (!input) return input.error();
    inputs_.push_back(std::move(*input));
  }
  using Next = std::pair<std::uint64_t, std::size_t>;  // timestamp, index of the input
  std::priority_queue<Next, std::vector<Next>, std::greater<>> next;
  std::size_t from = 0;
  const auto advance = [&]() -> Result<> {
    auto more = nextOf(*inputs_[from]);
    if (!more) return more.error();
    if (*more) next.emplace(inputs_[from]->timestamp, from);
    return {};
  };
  for (; from < inputs_.size(); ++from) {
    if (auto advanced = advance(); !advanced) return advanced;
  }
  while (!next.empty() && !stopped_) {
    from = next.top().second;
    next.pop();
    if (auto taken = take(*inputs_[from]); !taken) return taken;
    if (auto advanced = advance(); !advanced) return advanced;
  }
  return {};
}

Result<> SavefileConverter::append() {
  for (const std::string& path : options_.inputs) {
    auto opened = openInput(path);
    if (!opened) return opened.error();
    inputs_.push_back(std::move(*opened));
    Input& input = *inputs_.back();
    for (;;) {
      auto more = nextOf(input);
      if (!more) return more.error();
      if (!*more || stopped_) break;
      if (auto taken = take(input); !taken) return taken;
    }
    note();
    closeInputs();
    if (stopped_) break;
  }
  return {};
}

Result<> SavefileConverter::take(Input& input) {
  if (input.timestamp < options_.from || input.timestamp > options_.to) return {};
  const auto interface = static_cast<std::uint32_t>(input.record.from().sll_ifindex);
  packetOptions_.clear();
  input.appendOptions(packetOptions_);
  auto id = idOf(input, interface);
  if (!id) return id.error();
  if (full(*id, input.record, input.timestamp)) {
    if (auto ended = endFile(); !ended) return ended;
    if (auto begun = beginFile(); !begun) return begun;
    id = idOf(input, interface);
    if (!id) return id.error();
  }
  const bool written = writer_.write(*id, input.record, {}, packetOptions_.bytes());
  ++(written ? counted_.written : counted_.otherLinkType);
  if (++counted_.packets % kNoteEvery == 0) note();
  return sink_.size() < kWriteAtOnce ? Result<>{} : flush();
}

bool SavefileConverter::full(std::uint32_t interface, const Record& record, std::uint64_t timestamp) const {
  const SavefileCounts& counts = writer_.counts();
  if (counts.packets == 0) return false;
  if (options_.maxPackets > 0 && counts.packets >= options_.maxPackets) return true;
  if (options_.maxBytes > 0) {
    const std::size_t size = writer_.sizeOf(interface, record, packetOptions_.size());
    if (counts.bytes + size > options_.maxBytes) return true;
  }
  return options_.maxNanoseconds > 0 && timestamp > counts.firstTimestamp &&
         timestamp - counts.firstTimestamp >= options_.maxNanoseconds;
}

// Interfaces with equal descriptions become one, even from different inputs, so that merging the files of a split
// capture restores its interfaces.
Result<std::uint32_t> SavefileConverter::idOf(Input& input, std::uint32_t interface) {
  Input::Interface& known = input.interfaces[interface];
  if (known.file == fileNumber_) return known.id;
  std::string described;
  if (options_.form.format == SavefileFormat::Pcapng) {
    ByteSink block;
    writeInterface(block, known.described);
    described.assign(reinterpret_cast<const char*>(block.data()), block.size());
  } else {
    described = std::to_string(known.described.linkType);
  }
  const auto [at, added] = interfaces_.try_emplace(std::move(described), 0);
  if (added) {
    interfaceBytes_ += at->first.size();
    if (interfaces_.size() > kMaxDescriptions || interfaceBytes_ > kMaxDescribed) {
      return Error{Code::FileFormat, input.path + ": the output would have more interfaces than can be read again (" +
                                         std::to_string(kMaxDescriptions) + ", or 16 MiB of descriptions)"};
    }
    at->second = writer_.add(known.described);
  }
  known.file = fileNumber_;
  return known.id = at->second;
}

Result<> SavefileConverter::beginFile() {
  ++fileNumber_;
  interfaces_.clear();
  interfaceBytes_ = 0;
  writer_.begin();
  for (const std::string* block : passedThrough_) {
    std::uint32_t type;
    std::memcpy(&type, block->data(), sizeof type);
    const auto* body = reinterpret_cast<const std::uint8_t*>(block->data()) + sizeof type;
    writer_.block(type, {body, block->size() - sizeof type});
  }
  return files_.begin();
}

Result<> SavefileConverter::endFile() {
  // A file without packets still describes an interface: other programs cannot read files that have none.
  if (interfaces_.empty() && first_) (void)writer_.add(*first_);
  writer_.end();
  if (auto flushed = flush(); !flushed) return flushed;
  auto path = files_.complete();
  if (!path) return path.error();
  counted_.clampedTimes += writer_.counts().clampedTimes;
  if (writer_.counts().clampedTimes > 0 && !std::exchange(lateTimes_, true)) {
    warnings_.push_back("pcap can tell no time after February 2106: later packets have that time, and are counted");
  }
  complete_.push_back({std::move(*path), writer_.counts()});
  return {};
}

Result<> SavefileConverter::flush() {
  auto written = files_.write(sink_.bytes());
  sink_.clear();
  return written;
}

void SavefileConverter::note() {
  std::lock_guard lock(mutex_);
  stats_ = counted_;
}

}  // namespace ringtap
