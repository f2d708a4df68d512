// What a recording writes about the owners of packets: a comment with the processes at both ends, and the process that
// has sent the packet, as options of pcapng.
//
// Answers are kept for each flow, as long as they hold: a packet of a known flow costs one look into a hash table. One
// thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/block/block.h"
#include "core/owners/owner_source.h"

namespace ringtap {

// Encoded: the comment as ownersText() has it, and the process id of a sender that is one process, and not only the
// listener on its port. Empty if nothing is known.
[[nodiscard]] std::vector<std::byte> ownerOptions(const Ownership& sender, const Ownership& receiver);

class OwnerNotes {
 public:
  explicit OwnerNotes(std::shared_ptr<OwnerSource> source) : source_(std::move(source)) {}

  // The options for a packet; none if nothing is known of its owners by now, or the source has ended. Valid until the
  // next call of any function.
  [[nodiscard]] std::span<const std::byte> optionsOf(const Record& record);
  // Whether what is known of the packets in a block will not be more once the sockets have been read again.
  [[nodiscard]] bool complete(std::byte* block, const BlockSummary& summary);
  // Asks the source to read them.
  void ask() { (void)source_->ask(); }
  // Whether they have been read at this time or later, or never will be.
  [[nodiscard]] bool knows(std::uint64_t time) const { return source_->ended() || source_->sweptAt() >= time; }

 private:
  struct Note {
    std::uint64_t stamp = 0;
    OwnerSpan steady;
    bool open = false;        // of an end more may be known later
    std::uint64_t since = 0;  // the time of the first packet with these options
    std::vector<std::byte> options;
  };

  [[nodiscard]] const Note* noteOf(const Record& record);

  const std::shared_ptr<OwnerSource> source_;
  std::unordered_map<SocketEnds, Note, HashSocketEnds> notes_;  // by the ends as the sender sees them
};

}  // namespace ringtap
