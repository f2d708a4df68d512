// A stub for the kernel's socket filter.
#pragma once

#include <optional>

#include "core/bpf/kernel_filter.h"

namespace support {

// Discards verdicts and counts nothing: behaves as a classic mode that never fails. Tests override the calls they
// observe.
class NoKernel : public ringtap::KernelFilter {
 public:
  explicit NoKernel(bool unlistedPassUnfiltered = false) : unfiltered_(unlistedPassUnfiltered) {}

  void accept(std::uint32_t, std::uint16_t) override {}
  void refuse(std::uint32_t, std::uint16_t) override {}
  void forget(std::uint32_t) override {}
  ringtap::Result<> commit() override { return {}; }
  void relate(std::uint32_t, const ringtap::DedupeRelation&) override {}
  [[nodiscard]] std::uint64_t duplicates(std::uint32_t) const override { return 0; }
  ringtap::Result<> replace(const ringtap::FilterSpec&) override { return {}; }
  [[nodiscard]] std::optional<std::uint64_t> accepted(std::uint32_t) const override { return std::nullopt; }
  [[nodiscard]] bool unlistedPassUnfiltered() const override { return unfiltered_; }
  [[nodiscard]] ringtap::FilterMode filterMode() const override { return ringtap::FilterMode::Classic; }

 private:
  bool unfiltered_;
};

}  // namespace support
