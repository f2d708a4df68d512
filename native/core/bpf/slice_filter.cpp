#include "core/bpf/slice_filter.h"

#include <map>

#include "core/bpf/address_locator.h"
#include "core/bpf/slice_program.h"
#include "core/filter/filter_interpreter.h"

namespace ringtap {

namespace {

using Programs = std::map<std::uint16_t, FilterProgram>;  // by link type

Programs programsOf(Slice slice) {
  Programs programs;
  const FilterProgram program = sliceProgram(slice, kWholePacket);
  for (const Locator& locator : locators()) programs.emplace(locator.linkType, behindLocator(locator, program));
  return programs;
}

const Programs& programsFor(Slice slice) {
  static const Programs l4 = programsOf(Slice::L4), headers = programsOf(Slice::Headers);
  return slice == Slice::L4 ? l4 : headers;
}

}  // namespace

std::uint32_t sliceLength(Slice slice, std::uint16_t linkType, std::span<const std::uint8_t> bytes,
                          std::uint32_t originalLength) {
  if (slice == Slice::None) return kWholePacket;
  const Programs& programs = programsFor(slice);
  const auto found = programs.find(linkType);
  if (found == programs.end()) return kWholePacket;
  const std::uint32_t length = runFilter(found->second, bytes, originalLength);
  return length == 0 ? kWholePacket : length;
}

}  // namespace ringtap
