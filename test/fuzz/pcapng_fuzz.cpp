// Parses a pcapng file of arbitrary content. The first input byte selects the piece size; the rest is the file without
// its first four bytes, so that the fuzzer need not find the magic number.
#include "core/savefile/savefile_format.h"
#include "savefile_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 65536) return 0;
  std::vector<std::uint8_t> input{data[0], 0x0a, 0x0d, 0x0d, 0x0a};
  input.insert(input.end(), data + 1, data + size);
  parseTwice(input.data(), input.size());
  return 0;
}
