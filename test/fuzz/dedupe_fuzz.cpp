// For any host and any packets, the eBPF deduplication program must match the model and never violate a rule of the
// verifier.
#include "fuzz.h"
#include "support/crossings.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  support::Choices choices(data, size);
  support::CrossingCounts counts;
  while (!choices.spent()) EXPECT(support::crossAtRandom(choices, 12, counts) == nullptr);
  return 0;
}
