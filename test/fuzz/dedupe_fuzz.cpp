// Any host, any packets: the rule on duplicates in its eBPF mode does what the model says, and never breaks a rule of
// the verifier.
#include "fuzz.h"
#include "support/crossings.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  support::Choices choices(data, size);
  support::CrossingCounts counts;
  while (!choices.spent()) EXPECT(support::crossAtRandom(choices, 12, counts) == nullptr);
  return 0;
}
