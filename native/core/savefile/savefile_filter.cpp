#include "core/savefile/savefile_filter.h"

#include "core/filter/filter.h"

namespace ringtap {

namespace {

constexpr std::size_t kMaxTypeWarnings = 20;

// Link types for which an expression may be written: one of them has to accept it, and mostly the first does. Each
// accepts expressions that none before it does, such as PFLOG (117) `action`, SunATM (123) `lane`, MTP2 (140) `dpc`.
constexpr std::uint16_t kPlausibleLinkTypes[] = {1, 101, 113, 276, 127, 105, 119, 0,   9,  50,
                                                 6, 7,   117, 123, 140, 189, 195, 201, 220};

}  // namespace

SavefileFilter::SavefileFilter(std::optional<std::string> expression, std::function<void(std::string)> warn)
    : expression_(std::move(expression)), warn_(std::move(warn)) {}

Result<> SavefileFilter::check() const {
  if (!expression_) return {};
  std::optional<Error> first;
  for (const std::uint16_t linkType : kPlausibleLinkTypes) {
    auto compiled = compileFilter(*expression_, linkType, kMaxSnapshotLength, FilterInput::LittleEndianFile);
    if (compiled) return {};
    if (compiled.error().code != Code::FilterSyntax) return compiled.error();
    if (!first) first = std::move(compiled.error());
  }
  return *first;
}

Result<const FilterProgram*> SavefileFilter::programFor(std::uint16_t linkType, bool bigEndian) {
  if (!expression_) return static_cast<const FilterProgram*>(nullptr);
  auto& program = programs_[{linkType, bigEndian}];
  if (program) return static_cast<const FilterProgram*>(program.get());
  const FilterInput input = bigEndian ? FilterInput::BigEndianFile : FilterInput::LittleEndianFile;
  auto compiled = compileFilter(*expression_, linkType, kMaxSnapshotLength, input);
  if (compiled) {
    program = std::make_unique<FilterProgram>(std::move(compiled->instructions));
  } else {
    if (compiled.error().code == Code::FilterTooLarge) return compiled.error();
    // A test of metadata, such as `inbound`, is an error: the warning that no packet matches would be wrong.
    if (compiled.error().code == Code::FilterSyntax && testsMetadata(*expression_)) return compiled.error();
    if (otherTypes_++ < kMaxTypeWarnings) {
      warn_("the filter cannot be applied to packets of link type " + std::to_string(linkType) +
            ", none of them matches: " + compiled.error().message);
    } else if (otherTypes_ == kMaxTypeWarnings + 1) {
      warn_("the filter cannot be applied to packets of further link types, none of them matches");
    }
    program = std::make_unique<FilterProgram>(FilterProgram{{0x06, 0, 0, 0}});  // ret #0
  }
  return static_cast<const FilterProgram*>(program.get());
}

}  // namespace ringtap
