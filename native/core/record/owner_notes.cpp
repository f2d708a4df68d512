#include "core/record/owner_notes.h"

#include <algorithm>
#include <utility>

#include "core/owners/owner_text.h"
#include "core/owners/packet_ends.h"
#include "core/savefile/savefile_blocks.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

// Flows of which answers are kept: about 10 MB.
constexpr std::size_t kMaxNotes = 32'768;

}  // namespace

std::vector<std::byte> ownerOptions(const Ownership& sender, const Ownership& receiver) {
  using Source = Ownership::Source;
  const bool sent = sender.source == Source::Holder || sender.source == Source::Maker;
  const std::uint32_t process = sent && sender.processes.size() == 1 ? sender.processes.front()->pid : 0;
  return packetOptions(ownersText(sender, receiver), process);
}

const OwnerNotes::Note* OwnerNotes::noteOf(const Record& record) {
  const std::uint16_t linkType = record.ownLinkType().value_or(linkTypeOf(record.from().sll_hatype));
  const auto ends = packetEnds(linkType, {record.data(), record.header->tp_snaplen});
  if (!ends) return nullptr;
  const std::uint64_t time = record.timestamp();
  const std::uint64_t stamp = source_->stamp(*ends);
  auto found = notes_.find(*ends);
  if (found != notes_.end() && found->second.stamp == stamp && found->second.steady.contains(time)) {
    return &found->second;
  }
  const bool fresh = found == notes_.end();
  if (fresh) {
    if (notes_.size() >= kMaxNotes) notes_.clear();
    found = notes_.try_emplace(*ends).first;
  }
  Note& note = found->second;
  const OwnerAnswer sender = source_->answer(*ends, time);
  const OwnerAnswer receiver = source_->answer(reversed(*ends), time);
  std::vector<std::byte> options = ownerOptions(sender.owners, receiver.owners);
  if (fresh || options != note.options) note.since = time;
  note.stamp = stamp;
  note.steady = {std::max(sender.steady.after, receiver.steady.after),
                 std::min(sender.steady.before, receiver.steady.before)};
  // An end on another host is never known, and so has to be asked for once, and not for each packet.
  note.open = sender.owners.gap == Ownership::Gap::NotYet || receiver.owners.gap == Ownership::Gap::NotYet;
  note.options = std::move(options);
  return &note;
}

std::span<const std::byte> OwnerNotes::optionsOf(const Record& record) {
  if (source_->ended()) return {};
  const Note* note = noteOf(record);
  return note == nullptr ? std::span<const std::byte>() : std::span<const std::byte>(note->options);
}

bool OwnerNotes::complete(std::byte* block, const BlockSummary& summary) {
  if (source_->ended()) return true;
  bool complete = true;
  const std::uint64_t read = source_->sweptAt();
  walkIndex(block, summary.packets, [&](const Record& record) {
    if (!complete) return;
    const Note* note = noteOf(record);
    complete = note == nullptr || !note->open || note->since <= read;
  });
  return complete;
}

}  // namespace ringtap
