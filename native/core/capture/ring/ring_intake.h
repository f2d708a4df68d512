// Rings that receive from every interface of the namespace, with one thread per ring: a single ring; several that share
// the traffic by flow or by processor; or one for each of the first captured interfaces and one for the rest.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/bpf/kernel_filter.h"
#include "core/capture/intake/intake.h"
#include "core/capture/ring/ring.h"
#include "core/capture/ring/ring_loop.h"
#include "core/capture/ring/ring_owners.h"

namespace ringtap {

class RingIntake final : public Intake {
 public:
  // Opens the rings. `ring`: of each of them. `mode`, `kernel`: see KernelFilter.
  [[nodiscard]] static Result<std::unique_ptr<RingIntake>> open(const RingOptions& ring, const RingLayout& layout,
                                                                FilterMode mode, const KernelFilterOptions& kernel,
                                                                const IntakeContext& context,
                                                                std::function<void()> onDrained);

  Result<std::unique_ptr<KernelFilter>> attach(const FilterSpec& spec, bool acceptUnlisted) override;
  Result<> begin() override;
  Result<> refuseAll() override;
  void drain() override;
  void stop() override;
  void shut() override;
  void nudge() override;
  void awaitRoom() override;
  void setCaptured(std::uint32_t interface, bool captured) override;
  Result<> commit() override;
  Result<> setPromiscuous(std::uint32_t interface, bool on) override;
  [[nodiscard]] RingPosition ringPosition() const override;
  [[nodiscard]] std::vector<std::uint64_t> entered() const override;
  [[nodiscard]] std::vector<std::uint64_t> taken() const override;
  [[nodiscard]] LoopStats stats() override;
  [[nodiscard]] IntakeSize size() const override;

 private:
  RingIntake(RingLayout layout, const std::optional<FanoutGroup>& group, FilterMode mode,
             const KernelFilterOptions& kernel, std::function<void()> onDrained)
      : layout_(std::move(layout)), mode_(mode), kernel_(kernel), group_(group), onDrained_(std::move(onDrained)) {
    if (layout_.sharing == Sharing::ByInterface && !group) owners_.emplace(layout_.count);
  }

  Result<std::shared_ptr<Ring>> openRing(std::uint32_t number, const RingOptions& options) const;
  // The processor of the ring and its thread, if it has one.
  [[nodiscard]] std::optional<std::uint32_t> processorOf(std::uint32_t number) const;

  // Makes a group of this capture's rings alone.
  Result<> groupRings();
  // Begins reception. A ring that is no member of a group receives all packets.
  Result<> bindAll();

  template <typename Of>
  [[nodiscard]] std::vector<std::uint64_t> ofEach(Of&& of) const;

  const RingLayout layout_;
  const FilterMode mode_;
  const KernelFilterOptions kernel_;
  const std::optional<FanoutGroup> group_;  // shared with other captures
  std::function<void()> onDrained_;
  std::optional<RingOwners> owners_;  // with Sharing::ByInterface only; used by JavaScript's thread only, once attached
  std::vector<std::shared_ptr<Ring>> rings_;
  std::vector<std::unique_ptr<RingLoop>> loops_;
  std::atomic<std::uint32_t> undrained_{0};
};

}  // namespace ringtap
