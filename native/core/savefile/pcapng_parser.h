// Parses the pcapng format: sections that consist of blocks, each section with its own byte order and interfaces.
#pragma once

#include <optional>

#include "core/savefile/file_time.h"
#include "core/savefile/packet_options.h"
#include "core/savefile/savefile_parser.h"

namespace ringtap {

class PcapngParser final : public SavefileParser {
 public:
  PcapngParser(const ParserLimits& limits, SavefileListener& listener) : SavefileParser(limits, listener) {}

  Result<ParseStep> parse(std::span<const std::uint8_t> bytes, BlockFiller& filler, std::size_t& consumed) override;
  [[nodiscard]] Result<> end(std::uint64_t left) const override;

 private:
  struct Described : Interface {
    FileTime time;
    std::uint32_t snapshotLength = 0;
  };
  // A complete block. `length` is its total length, in bytes.
  struct Block {
    const std::uint8_t* bytes;
    std::uint32_t type;
    std::uint32_t length;
  };
  struct PacketOptions {
    std::uint32_t flags = 0;
    std::span<const std::uint8_t> stored;  // the others, as FilledPacket has them
  };

  [[nodiscard]] std::uint16_t load16(const std::uint8_t* at) const;
  [[nodiscard]] std::uint32_t load32(const std::uint8_t* at) const;
  [[nodiscard]] std::uint64_t load64(const std::uint8_t* at) const;

  // Reads the byte order of the section whose header is at `at`; it applies from there on.
  Result<> byteOrder(const std::uint8_t* at);
  // Passes the block on. Returns false if it has a packet for which `filler` has no room, as the two below do.
  Result<bool> pass(const Block& block, BlockFiller& filler);
  Result<> section(const Block& block);
  Result<> interface(const Block& block);
  Result<bool> packet(const Block& block, BlockFiller& filler);
  Result<bool> simplePacket(const Block& block, BlockFiller& filler);
  Result<> other(const Block& block);
  // Calls visit(code, value) for each option from `at` to the end of the body.
  template <typename Visit>
  Result<> options(const Block& block, std::uint64_t at, Visit&& visit) const;
  // Calls visit(code, value) for all options, and returns those that are kept within the limits.
  template <typename Visit>
  Result<std::vector<FileOption>> keptOptions(const Block& block, std::uint64_t at, Visit&& visit);
  Result<PacketOptions> packetOptions(const Block& block, std::uint64_t at);

  bool begun_ = false;
  bool swapped_ = false;
  bool skipping_ = false;  // the current section is skipped, up to the next one
  bool readable_ = false;  // at least one section was not skipped
  std::uint64_t skippedSections_ = 0;
  bool tooManyOptions_ = false;           // in at least one block
  std::vector<Described> interfaces_;     // of the current section
  std::uint32_t known_ = 0;               // number of interfaces in all sections so far
  std::size_t optionBytes_ = 0;           // bytes kept in the current section
  std::optional<std::uint32_t> trailer_;  // set when a block was skipped up to its second length, which must equal this
  StoredOptions options_;                 // of the current packet
};

}  // namespace ringtap
