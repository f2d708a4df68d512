// A block that waits to be handed out, and the interfaces of its packets.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/block/block.h"
#include "core/ledger/tracked_interface.h"

namespace ringtap {

// The packets of one interface in one block; if its verdict changed within the block, the packets of one verdict.
struct BlockShare {
  std::shared_ptr<TrackedInterface> interface;
  InterfaceId device;         // the interface's id, for readers that do not hold the table's lock
  std::uint64_t epoch = 0;    // of the event whose verdict applies,
  std::uint64_t since = 0;    // to packets stamped later than this
  std::uint64_t until = 0;    // and not later than this
  std::uint32_t records = 0;  // packets in the block when it was taken
  std::uint32_t packets = 0;  // of these, the packets not refused so far
  std::uint32_t truncated = 0;
  std::uint64_t bytes = 0;
  Verdict verdict = Verdict::Pending;  // Pending: looked up again when the block is handed out
  bool refilter = false;               // the kernel did not apply the user's filter
};

struct TakenBlock {
  BlockSummary summary;
  BlockNumber number;
  std::uint64_t records = 0;  // packets stored by the kernel
  std::uint64_t epoch = 0;
  bool pending = false;       // the verdict of a share is pending
  bool forJavaScript = true;  // false: for recorders only
  bool recorded = false;      // for a recorder that is not secondary
  bool accounted = false;     // its packets are in the ledger; the block is not changed any more
  // What that recorder, or else the secondary ones, did with a block that is for JavaScript too.
  enum class Recorder : std::uint8_t { Pending, Written, Dropped };
  Recorder recorder = Recorder::Pending;
  std::vector<BlockShare> shares;

  [[nodiscard]] BlockOrigin origin() const { return {number, epoch}; }
};

// Finds the share of a packet, with a cache: successive packets mostly belong to few interfaces. Shares may be added
// between calls.
class ShareFinder {
 public:
  explicit ShareFinder(std::vector<BlockShare>& shares) : shares_(shares) {}

  // Null if the packet has no share. Valid until a share is added.
  BlockShare* find(const Record& record) {
    const auto index = static_cast<std::uint32_t>(record.from().sll_ifindex);
    const std::uint64_t timestamp = record.timestamp();
    std::uint32_t& position = cache_[index % cache_.size()];
    if (position < shares_.size() && holds(shares_[position], index, timestamp)) return &shares_[position];
    for (std::uint32_t i = 0; i < shares_.size(); ++i) {
      if (!holds(shares_[i], index, timestamp)) continue;
      position = i;
      return &shares_[i];
    }
    return nullptr;
  }

 private:
  static bool holds(const BlockShare& share, std::uint32_t index, std::uint64_t timestamp) {
    return share.device.index == index && timestamp <= share.until && (timestamp > share.since || share.since == 0);
  }

  std::vector<BlockShare>& shares_;
  std::array<std::uint32_t, 256> cache_{};
};

}  // namespace ringtap
