// Parses a pcap file of arbitrary content. The first input byte selects the piece size; the rest is the file without
// its first four bytes, so that the fuzzer need not find the magic number.
#include "core/savefile/savefile_format.h"
#include "savefile_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 65536) return 0;
  using namespace ringtap::savefile;
  std::uint32_t magic = (data[0] & 0x40) != 0 ? kMagicNanoseconds : kMagicMicroseconds;
  if ((data[0] & 0x3f) == 0) magic = kMagicKuznetsov;
  if ((data[0] & 0x80) != 0) magic = __builtin_bswap32(magic);
  std::vector<std::uint8_t> input(5);
  input[0] = data[0];
  std::memcpy(input.data() + 1, &magic, sizeof magic);
  input.insert(input.end(), data + 1, data + size);
  parseTwice(input.data(), input.size());
  return 0;
}
