#include "core/capture/ring/ring_intake.h"

#include <linux/if_packet.h>

#include "core/bpf/attach.h"
#include "core/capture/intake/packet_socket.h"
#include "core/capture/ring/processor_program.h"
#include "core/linux/processors.h"

namespace ringtap {

namespace {

Error ofPlacement(Error error) {
  if (error.code == Code::Option) error.option = "ring.cpus";
  return error;
}

}  // namespace

Result<std::unique_ptr<RingIntake>> RingIntake::open(const RingOptions& ring, const RingLayout& layout, FilterMode mode,
                                                     const KernelFilterOptions& kernel, const IntakeContext& context,
                                                     std::function<void()> onDrained) {
  std::unique_ptr<RingIntake> self(new RingIntake(layout, ring.group, mode, kernel, std::move(onDrained)));
  RingOptions options = ring;
  for (std::uint32_t number = 0; number < layout.count; ++number) {
    auto opened = self->openRing(number, options);
    if (!opened) return std::move(opened.error());
    options.blockCount = (*opened)->blockCount();  // later rings start with the count that this one could get
    self->rings_.push_back(*opened);
    self->loops_.push_back(std::make_unique<RingLoop>(number, std::move(*opened), context, ring.maxDelayMilliseconds,
                                                      [intake = self.get()] {
                                                        if (--intake->undrained_ == 0) intake->onDrained_();
                                                      }));
  }
  return self;
}

std::optional<std::uint32_t> RingIntake::processorOf(std::uint32_t number) const {
  if (number >= layout_.processors.size()) return std::nullopt;
  return layout_.processors[number];
}

// The kernel allocates a ring's memory in the call that sets it up (alloc_pg_vec(), af_packet.c), from the node of the
// processor that the caller runs on.
Result<std::shared_ptr<Ring>> RingIntake::openRing(std::uint32_t number, const RingOptions& options) const {
  const auto processor = processorOf(number);
  if (!processor) return Ring::open(options);
  std::optional<Result<std::shared_ptr<Ring>>> opened;
  if (auto ran = runOnProcessor(*processor, [&] { opened = Ring::open(options); }); !ran) {
    return ofPlacement(std::move(ran.error()));
  }
  return std::move(*opened);
}

Result<std::unique_ptr<KernelFilter>> RingIntake::attach(const FilterSpec& spec, bool acceptUnlisted) {
  if (rings_.size() > 1 && !group_) {
    if (auto grouped = groupRings(); !grouped) return std::move(grouped.error());
  }
  std::vector<int> sockets;
  for (const auto& ring : rings_) sockets.push_back(ring->fd());
  return KernelFilter::attach(spec, acceptUnlisted, mode_, kernel_, std::move(sockets));
}

// Rings can join a fanout group only once they receive, so until all have joined, none accepts packets.
Result<> RingIntake::groupRings() {
  if (auto refused = refuseAll(); !refused) return refused;
  // The flow hash is the same for both directions (__skb_get_hash_symmetric, net/core/flow_dissector.c).
  const bool byFlow = layout_.sharing == Sharing::ByFlow;
  FanoutGroup group{{}, byFlow ? std::uint16_t{PACKET_FANOUT_HASH} : std::uint16_t{PACKET_FANOUT_CBPF}};
  for (const auto& ring : rings_) {
    if (auto bound = bindToInterface(ring->fd(), 0); !bound) return bound;
    auto joined = ring->joinFanout(group);
    if (!joined) return std::move(joined.error());
    group.id = *joined;
  }
  if (layout_.sharing == Sharing::ByProcessor) {
    return shareByProgram(rings_.front()->fd(), programByProcessor(layout_.processors));
  }
  return commit();
}

// The filter is attached, and has the verdicts. A group gives a ring its share of the packets from the moment it joins,
// so a ring that refused packets then would lose them to all members. Instead it receives, between the two system
// calls, what other members receive too.
Result<> RingIntake::bindAll() {
  for (const auto& ring : rings_) {
    if (auto bound = bindToInterface(ring->fd(), 0); !bound) return bound;
    if (!group_) continue;
    if (auto joined = ring->joinFanout(*group_); !joined) return std::move(joined.error());
  }
  return {};
}

Result<> RingIntake::begin() {
  if (rings_.size() == 1 || group_) {
    if (auto bound = bindAll(); !bound) return bound;
  }
  for (std::uint32_t number = 0; number < loops_.size(); ++number) {
    if (auto started = loops_[number]->start(processorOf(number)); !started) {
      return ofPlacement(std::move(started.error()));
    }
  }
  return {};
}

Result<> RingIntake::refuseAll() {
  for (const auto& ring : rings_) {
    if (auto refused = refusePackets(ring->fd()); !refused) return refused;
  }
  return {};
}

void RingIntake::drain() {
  undrained_ = static_cast<std::uint32_t>(loops_.size());
  for (const auto& loop : loops_) loop->drain();
}

void RingIntake::stop() {
  for (const auto& loop : loops_) loop->stop();
}

void RingIntake::shut() {
  for (const auto& ring : rings_) ring->shut();
}

void RingIntake::nudge() {
  for (const auto& loop : loops_) loop->nudge();
}

void RingIntake::awaitRoom() {
  for (const auto& loop : loops_) loop->awaitRoom();
}

void RingIntake::setCaptured(std::uint32_t interface, bool captured) {
  if (!owners_) return;
  if (captured) owners_->add(interface);
  else owners_->remove(interface);
}

Result<> RingIntake::commit() {
  if (!owners_ || !owners_->changed()) return {};
  if (auto set = shareByProgram(rings_.front()->fd(), owners_->program()); !set) return set;
  owners_->markInstalled();
  return {};
}

Result<> RingIntake::setPromiscuous(std::uint32_t interface, bool on) {
  return ringtap::setPromiscuous(rings_.front()->fd(), interface, on);
}

template <typename Of>
std::vector<std::uint64_t> RingIntake::ofEach(Of&& of) const {
  std::vector<std::uint64_t> values;
  values.reserve(loops_.size());
  for (const auto& loop : loops_) values.push_back(of(*loop));
  return values;
}

RingPosition RingIntake::ringPosition() const {
  return ofEach([](const RingLoop& loop) { return loop.ringPosition(); });
}

std::vector<std::uint64_t> RingIntake::entered() const {
  return ofEach([](const RingLoop& loop) { return loop.entered(); });
}

std::vector<std::uint64_t> RingIntake::taken() const {
  return ofEach([](const RingLoop& loop) { return loop.taken(); });
}

LoopStats RingIntake::stats() {
  LoopStats sum;
  for (const auto& loop : loops_) sum += loop->stats();
  return sum;
}

IntakeSize RingIntake::size() const {
  IntakeSize size;
  size.count = static_cast<std::uint32_t>(rings_.size());
  for (const auto& ring : rings_) {
    size.blockSize = ring->blockSize();
    size.blockCount += ring->blockCount();
    size.memory += std::uint64_t{ring->blockSize()} * ring->blockCount();
  }
  return size;
}

}  // namespace ringtap
