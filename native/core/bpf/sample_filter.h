// The sampling of a capture (core/bpf/sample.h), compiled for all filter modes.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "core/bpf/sample.h"
#include "core/filter/filter_instruction.h"

namespace ringtap {

class SampleFilter {
 public:
  explicit SampleFilter(const Sample& sample);

  [[nodiscard]] const Sample& sample() const { return sample_; }
  // sampleProgram().
  [[nodiscard]] const FilterProgram& program() const { return program_; }

  // The verdict in user space. True if the packet was cut too short to decide: the kernel may have decided on it
  // before.
  [[nodiscard]] bool accepts(std::uint16_t linkType, std::span<const std::uint8_t> bytes,
                             std::uint32_t originalLength) const;

 private:
  const Sample sample_;
  const FilterProgram program_;
  std::map<std::uint16_t, FilterProgram> whole_;  // with the locator in front, by link type
};

}  // namespace ringtap
