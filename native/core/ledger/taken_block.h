// A block as it waits to be handed out, and whose its packets are.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/block/block.h"
#include "core/ledger/tracked_interface.h"

namespace ringtap {

// The packets of one interface in one block; where it was renamed in the meantime, those of one name.
struct BlockShare {
  std::shared_ptr<TrackedInterface> interface;
  Device device;              // that one, for those who do not hold the table's lock
  std::uint64_t epoch = 0;    // of the decision that they are judged by,
  std::uint64_t since = 0;    // which is about packets of later than this
  std::uint64_t until = 0;    // and not later than that
  std::uint32_t records = 0;  // in the block as it came
  std::uint32_t packets = 0;  // of these, those not refused yet
  std::uint32_t truncated = 0;
  std::uint64_t bytes = 0;
  Verdict verdict = Verdict::Pending;  // pending: to be settled when the block is handed out
  bool refilter = false;               // the user's filter has to be applied here
};

struct TakenBlock {
  BlockSummary summary;
  std::uint32_t ring = 0;     // which ring it is of,
  std::uint64_t number = 0;   // and the how manieth of that, from 1
  std::uint64_t records = 0;  // packets the kernel had put in
  std::uint64_t epoch = 0;
  bool pending = false;       // some share is
  bool forJavaScript = true;  // whoever else reads it
  bool accounted = false;     // the ledger has its packets: nothing is changed in it any more
  std::vector<BlockShare> shares;
};

// Finds the share of a packet fast: packets of one interface come in runs, and of few interfaces at a time. More shares
// may be added meanwhile.
class ShareFinder {
 public:
  explicit ShareFinder(std::vector<BlockShare>& shares) : shares_(shares) {}

  // Null: it has none. Until the next share is added.
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
    return share.device.first == index && timestamp <= share.until && (timestamp > share.since || share.since == 0);
  }

  std::vector<BlockShare>& shares_;
  std::array<std::uint32_t, 256> cache_{};
};

}  // namespace ringtap
