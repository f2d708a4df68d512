#include "core/ledger/reduction_log.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "core/bpf/sample_filter.h"

namespace ringtap {

namespace {

// More than the blocks that wait for a recorder can be of.
constexpr std::size_t kMaxEntries = 1024;

std::string textOf(const Sample& sample) {
  char text[80];
  const double share = sample.below / 4294967296.0;
  std::snprintf(text, sizeof text, "sample: flows %.10g, seed %u", share, sample.seed);
  return text;
}

}  // namespace

Reduction reductionOf(const FilterSpec& spec) {
  Reduction lines;
  if (spec.sample) lines.push_back(textOf(spec.sample->sample()));
  if (spec.slice != Slice::None) lines.push_back(spec.slice == Slice::L4 ? "slice: l4" : "slice: headers");
  return lines;
}

ReductionLog::ReductionLog(Reduction reduction) {
  entries_.push_back({{}, std::make_shared<const Reduction>(std::move(reduction))});
}

void ReductionLog::change(Reduction reduction, const Moment& now) {
  std::lock_guard lock(mutex_);
  if (*entries_.back().reduction == reduction) return;
  entries_.push_back({now, std::make_shared<const Reduction>(std::move(reduction))});
  if (entries_.size() > kMaxEntries) entries_.pop_front();
}

std::shared_ptr<const Reduction> ReductionLog::at(BlockNumber block, std::uint64_t timestamp) const {
  std::lock_guard lock(mutex_);
  const auto applies = [&](const Entry& one) { return one.from.isBehind(block, timestamp); };
  const auto found = std::find_if(entries_.rbegin(), entries_.rend(), applies);
  return found == entries_.rend() ? entries_.front().reduction : found->reduction;
}

std::shared_ptr<const Reduction> ReductionLog::latest() const {
  std::lock_guard lock(mutex_);
  return entries_.back().reduction;
}

bool ReductionLog::isSteady(BlockNumber block) const {
  std::lock_guard lock(mutex_);
  return !isBefore(entries_.back().from.position, block);
}

}  // namespace ringtap
