#include "core/bpf/sample_filter.h"

#include "core/bpf/address_locator.h"
#include "core/bpf/sample_program.h"
#include "core/filter/filter_interpreter.h"

namespace ringtap {

SampleFilter::SampleFilter(const Sample& sample) : sample_(sample), program_(sampleProgram(sample)) {
  for (const Locator& locator : locators()) whole_.emplace(locator.linkType, behindLocator(locator, program_));
}

bool SampleFilter::accepts(std::uint16_t linkType, std::span<const std::uint8_t> bytes,
                           std::uint32_t originalLength) const {
  const auto found = whole_.find(linkType);
  return found == whole_.end() || runFilter(found->second, bytes, originalLength) != kSampledOut;
}

}  // namespace ringtap
