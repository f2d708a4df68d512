// A block as it waits to be handed out, and which interfaces its packets belong to.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/block/block.h"
#include "core/ledger/tracked_interface.h"

namespace ringtap {

// The packets of one interface in one block; where its verdict changed in between, those of one verdict.
struct BlockShare {
  std::shared_ptr<TrackedInterface> interface;
  InterfaceId device;         // its identity, for readers that do not hold the table's lock
  std::uint64_t epoch = 0;    // of the event whose verdict applies,
  std::uint64_t since = 0;    // to packets stamped later than this
  std::uint64_t until = 0;    // and not later than this
  std::uint32_t records = 0;  // in the block as it came
  std::uint32_t packets = 0;  // of these, those not refused yet
  std::uint32_t truncated = 0;
  std::uint64_t bytes = 0;
  Verdict verdict = Verdict::Pending;  // pending: looked up again when the block is handed out
  bool refilter = false;               // the kernel has not applied the user's filter
};

struct TakenBlock {
  BlockSummary summary;
  BlockNumber number;
  std::uint64_t records = 0;  // packets the kernel had put in
  std::uint64_t epoch = 0;
  bool pending = false;       // a share is
  bool forJavaScript = true;  // not for a recorder alone
  bool accounted = false;     // its packets are in the ledger: the block does not change any more
  std::vector<BlockShare> shares;

  [[nodiscard]] BlockOrigin origin() const { return {number, epoch}; }
};

// Finds the share of a packet fast: packets of one interface come in runs, and of few interfaces at a time. Shares may
// be added meanwhile.
class ShareFinder {
 public:
  explicit ShareFinder(std::vector<BlockShare>& shares) : shares_(shares) {}

  // Null where the packet has no share. Valid until a share is added.
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
