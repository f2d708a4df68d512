#include "core/savefile_converter.h"

#include <algorithm>
#include <queue>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "core/packet_comments.h"
#include "core/savefile_description.h"

namespace ringtap {

namespace {

constexpr std::size_t kWriteAtOnce = 1 << 20;
// Enough for the largest packet; all inputs of a merge are open at once.
constexpr std::size_t kChunkSize = 512 * 1024;
constexpr std::size_t kChunks = 2;
constexpr std::uint64_t kNoteEvery = 4096;

SavefileConfig configOf(const ConvertOptions& options) {
  SavefileConfig config;
  config.chunkSize = kChunkSize;
  config.chunkCount = kChunks;
  config.snapshotLength = UINT32_MAX;
  config.filter = options.filter;
  config.comments = options.form.format == SavefileFormat::Pcapng;
  return config;
}

}  // namespace

// One file, and the packet of it that is next.
class SavefileConverter::Input {
 public:
  struct Interface {
    SavefileInterface described;
    std::uint64_t file = 0;  // the number of the output for which `id` holds
    std::uint32_t id = 0;
  };

  // False at the end.
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
    record = Record{reinterpret_cast<tpacket3_hdr*>(block_.memory + offset), offset};
    std::memcpy(&timestamp, block_.memory + offset + kRecordTimestamp, sizeof timestamp);
    return true;
  }

  void hear(SavefileNews& news, std::optional<SavefileInterface>& first, std::vector<std::string>& warnings,
            const std::string& path) {
    if (auto* section = std::get_if<FileSection>(&news)) bigEndian_ = section->bigEndian;
    if (auto* interface = std::get_if<FileInterface>(&news)) {
      Interface& one = interfaces[interface->index];
      one.described = describe(*interface, bigEndian_);
      if (!first) first = one.described;
    }
    if (auto* warning = std::get_if<SavefileWarning>(&news)) warnings.push_back(path + ": " + warning->text);
  }

  [[nodiscard]] std::vector<std::string> comments() const { return commentsOf(record, block_.memory + block_.length); }

  std::unique_ptr<SavefileSource> source;
  std::unordered_map<std::uint32_t, Interface> interfaces;  // by index in the file
  Record record{};
  std::uint64_t timestamp = 0;

 private:
  SourceBlock block_;
  std::uint32_t at_ = 0;
  bool bigEndian_ = false;
};

SavefileConverter::SavefileConverter(ConvertOptions options)
    : options_(std::move(options)), files_(options_.files), writer_(sink_, options_.form) {}

SavefileConverter::~SavefileConverter() = default;

void SavefileConverter::stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  for (SavefileSource* source : open_) source->shut();
}

ConvertFigures SavefileConverter::figures() const {
  std::lock_guard lock(mutex_);
  return figures_;
}

Result<> SavefileConverter::run() {
  Result<> done = convert();
  files_.discard();  // nothing, where all went well
  {
    std::lock_guard lock(mutex_);
    open_.clear();
  }
  inputs_.clear();
  return done;
}

Result<> SavefileConverter::convert() {
  if (auto begun = beginFile(); !begun) return begun;
  auto taken = options_.byTime ? mergeByTime() : append();
  note();
  if (!taken || stopped_) return taken;
  return endFile();
}

Result<std::unique_ptr<SavefileConverter::Input>> SavefileConverter::openInput(const std::string& path) {
  auto input = std::make_unique<Input>();
  auto source = SavefileSource::open(path, configOf(options_), [this, to = input.get(), path](SavefileNews& news) {
    to->hear(news, first_, warnings_, path);
  });
  if (!source) return source.error();
  input->source = std::move(*source);
  counted_.bytesTotal += input->source->fileSize();
  std::lock_guard lock(mutex_);
  open_.push_back(input->source.get());
  if (stopped_) input->source->shut();
  return input;
}

Result<> SavefileConverter::mergeByTime() {
  for (const std::string& path : options_.inputs) {
    auto input = openInput(path);
    if (!input) return input.error();
    inputs_.push_back(std::move(*input));
  }
  using Next = std::pair<std::uint64_t, std::size_t>;  // the time, and which input
  std::priority_queue<Next, std::vector<Next>, std::greater<>> next;
  std::size_t from = 0;
  const auto advance = [&]() -> Result<> {
    auto more = inputs_[from]->advance();
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
      auto more = input.advance();
      if (!more) return more.error();
      if (!*more || stopped_) break;
      if (auto taken = take(input); !taken) return taken;
    }
    note();
    {
      std::lock_guard lock(mutex_);
      open_.clear();
    }
    bytesDone_ += input.source->bytesRead();
    inputs_.clear();
    if (stopped_) break;
  }
  return {};
}

Result<> SavefileConverter::take(Input& input) {
  const auto interface = static_cast<std::uint32_t>(input.record.from().sll_ifindex);
  comments_ = input.comments();
  std::uint32_t id = idOf(input, interface);
  if (full(id, input.record, input.timestamp)) {
    if (auto ended = endFile(); !ended) return ended;
    if (auto begun = beginFile(); !begun) return begun;
    id = idOf(input, interface);
  }
  const bool written = writer_.write(id, input.record, comments_);
  ++(written ? counted_.written : counted_.otherLinkType);
  if (++counted_.packets % kNoteEvery == 0) note();
  return sink_.size() < kWriteAtOnce ? Result<>{} : flush();
}

bool SavefileConverter::full(std::uint32_t interface, const Record& record, std::uint64_t timestamp) const {
  const SavefileCounts& counts = writer_.counts();
  if (counts.packets == 0) return false;
  if (options_.mostPackets > 0 && counts.packets >= options_.mostPackets) return true;
  if (options_.mostBytes > 0) {
    std::size_t size = writer_.sizeOf(interface, record);
    for (const std::string& comment : comments_) size += (comment.size() + 7) / 4 * 4;
    if (counts.bytes + size > options_.mostBytes) return true;
  }
  return options_.mostNanoseconds > 0 && timestamp > counts.firstTimestamp &&
         timestamp - counts.firstTimestamp >= options_.mostNanoseconds;
}

// Interfaces of which all is the same are one, whatever file they come from: so are those of files that were one
// before.
std::uint32_t SavefileConverter::idOf(Input& input, std::uint32_t interface) {
  Input::Interface& known = input.interfaces[interface];
  if (known.file == fileNumber_) return known.id;
  known.file = fileNumber_;
  for (std::uint32_t id = 0; id < interfaces_.size(); ++id) {
    if (same(interfaces_[id], known.described)) return known.id = id;
  }
  interfaces_.push_back(known.described);
  return known.id = writer_.add(known.described);
}

Result<> SavefileConverter::beginFile() {
  ++fileNumber_;
  interfaces_.clear();
  writer_.begin();
  return files_.begin();
}

Result<> SavefileConverter::endFile() {
  // Without a packet it tells of an interface all the same: other programs cannot do with files that have none.
  if (interfaces_.empty() && first_) (void)writer_.add(*first_);
  writer_.end();
  if (auto flushed = flush(); !flushed) return flushed;
  auto path = files_.complete();
  if (!path) return path.error();
  complete_.push_back({std::move(*path), writer_.counts()});
  return {};
}

Result<> SavefileConverter::flush() {
  auto written = files_.write(sink_.bytes());
  sink_.clear();
  return written;
}

void SavefileConverter::note() {
  counted_.bytesRead = bytesDone_;
  for (const auto& input : inputs_) counted_.bytesRead += input->source->bytesRead();
  std::lock_guard lock(mutex_);
  figures_ = counted_;
}

}  // namespace ringtap
