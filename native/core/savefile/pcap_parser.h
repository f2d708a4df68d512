// Parses the pcap format. A pcap file has one interface, without a name.
#pragma once

#include "core/savefile/savefile_parser.h"

namespace ringtap {

class PcapParser final : public SavefileParser {
 public:
  PcapParser(const ParserLimits& limits, SavefileListener& listener) : SavefileParser(limits, listener) {}

  Result<ParseStep> parse(std::span<const std::uint8_t> bytes, BlockFiller& filler, std::size_t& consumed) override;
  [[nodiscard]] Result<> end(std::uint64_t left) const override;

 private:
  Result<> header(const std::uint8_t* bytes);
  template <bool swapped>
  Result<ParseStep> records(std::span<const std::uint8_t> bytes, BlockFiller& filler, std::size_t& consumed);

  // The order of a record's two lengths. Version 2.3 swapped them, but some programs that write 2.3 use the old order.
  enum class Lengths { CapturedFirst, OriginalFirst, Either };

  bool begun_ = false;
  bool swapped_ = false;
  bool nanoseconds_ = false;
  std::size_t recordHeader_ = 0;
  std::uint32_t largest_ = 0;
  Lengths lengths_ = Lengths::CapturedFirst;
  Interface interface_;
};

}  // namespace ringtap
