// The base class of the pcap and pcapng parsers: bytes in, packets into a block, everything else to a listener.
//
// Input is untrusted. A parser does not retain the bytes, does not size allocations by what a file claims, and makes no
// system calls.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/block/block_filler.h"
#include "core/filter/filter_instruction.h"
#include "core/util/result.h"

namespace ringtap {

struct FileOption {
  std::uint16_t code = 0;
  std::vector<std::uint8_t> value;  // numbers in the section's byte order
};

struct FileSection {
  bool pcapng = false;
  bool bigEndian = false;
  std::uint16_t major = 0;
  std::uint16_t minor = 0;
  // All packets of earlier sections are in chunks that were already handed over.
  bool fresh = true;
  std::vector<FileOption> options;
};

struct FileInterface {
  std::uint32_t index = 0;  // counted over all sections, so unique within a file
  std::uint32_t id = 0;     // within its section
  std::uint16_t linkType = 0;
  std::uint32_t snapshotLength = 0;
  std::uint8_t fcsLength = 0;            // at the end of each packet, in bytes, if the file's header has it (pcap)
  bool nanoseconds = false;              // pcap: timestamps have nanosecond resolution
  std::vector<FileOption> options = {};  // pcapng
};

// A block that is neither packet, section nor interface.
struct FileBlock {
  std::uint32_t type = 0;
  bool bigEndian = false;
  std::uint64_t offset = 0;
  std::vector<std::uint8_t> body;
};

// How an interface's packets are handled.
struct InterfaceRule {
  bool selected = true;
  const FilterProgram* filter = nullptr;  // validated; null: all pass. Must outlive the parser.
};

class SavefileListener {
 public:
  virtual ~SavefileListener() = default;
  virtual Result<> section(FileSection section) = 0;
  // Called before the interface's first packet.
  virtual Result<InterfaceRule> interface(FileInterface interface) = 0;
  // Whether to keep a block of this type, with `bytes` bytes in its body; block() follows if so. May be called twice
  // for one block, and must return the same for it.
  virtual bool wanted(std::uint32_t type, std::size_t bytes, std::uint64_t offset) = 0;
  virtual Result<> block(FileBlock block) = 0;
  // A message for the user; parsing continues. A few per file at most.
  // By value: the overrides keep the text.
  virtual void warning(std::string /*text*/) {}  // NOLINT(performance-unnecessary-value-param)
};

struct ParserLimits {
  std::uint32_t snapshotLength = 262144;  // longer packets are truncated to this, bytes
  std::size_t packet = 1 << 20;           // a longer packet is reported as damage, bytes
  std::size_t item = (1 << 20) + 65536;   // the largest amount of Why::More, bytes, except for a wanted block
  bool packetOptions = true;
};

struct ParserStats {
  std::uint64_t packets = 0;  // read, including unselected and filtered ones
  std::uint64_t unselected = 0;
  std::uint64_t filtered = 0;
  std::uint64_t skippedBlocks = 0;  // neither packets nor wanted blocks
  std::uint64_t clampedTimes = 0;   // packets whose time was replaced by the nearest that a timestamp can hold
};

struct ParseStep {
  enum class Why {
    More,  // `amount` contiguous bytes are needed, from where parsing stopped
    Full,  // the next packet does not fit into the block
    Skip,  // `amount` bytes are to be skipped, from where parsing stopped
  };
  Why why = Why::More;
  std::uint64_t amount = 0;
};

class SavefileParser {
 public:
  virtual ~SavefileParser() = default;

  // Parses `bytes`, which continue where the last call stopped. `consumed` is set to the number of bytes parsed, also
  // on an error; the packets in them are in `filler`.
  virtual Result<ParseStep> parse(std::span<const std::uint8_t> bytes, BlockFiller& filler, std::size_t& consumed) = 0;
  // Call at the end of the input. `left`: bytes left unparsed, or skipped of an incomplete Why::Skip. Returns an error
  // if the input ends inside a header, record or block.
  [[nodiscard]] virtual Result<> end(std::uint64_t left) const = 0;

  [[nodiscard]] const ParserStats& stats() const { return stats_; }
  // The file offset of the next byte to parse (of the unpacked file).
  [[nodiscard]] std::uint64_t offset() const { return offset_; }

 protected:
  SavefileParser(const ParserLimits& limits, SavefileListener& listener) : limits_(limits), listener_(listener) {}

  struct Interface {
    RecordHead head;
    InterfaceRule rule;
    std::uint16_t hardwareType = 0;
    std::uint16_t swappedHeader = 0;  // the link type, if its pseudo-header is in the other byte order; else 0
  };
  // Returns false if `filler` has no room.
  [[nodiscard]] bool deliver(const Interface& interface, FilledPacket& packet, BlockFiller& filler) {
    if (!interface.rule.selected) {
      ++stats_.packets;
      ++stats_.unselected;
      return true;
    }
    if (interface.swappedHeader != 0) [[unlikely]]
      convertHeader(interface, packet);
    if (interface.rule.filter != nullptr && !passes(interface, packet)) {
      ++stats_.packets;
      ++stats_.filtered;
      return true;
    }
    if (packet.data.size() > limits_.snapshotLength) packet.data = packet.data.first(limits_.snapshotLength);
    if (!filler.add(interface.head, packet)) return false;
    ++stats_.packets;
    if (packet.clamped) [[unlikely]]
      countClamped();
    return true;
  }
  [[nodiscard]] static Error damage(std::string what, std::uint64_t offset, Code code = Code::FileDamaged);

 private:
  [[nodiscard]] static bool passes(const Interface& interface, const FilledPacket& packet);
  void convertHeader(const Interface& interface, FilledPacket& packet);
  void countClamped();

  std::vector<std::uint8_t> converted_;  // the current packet, if its header was converted

 protected:
  const ParserLimits limits_;
  SavefileListener& listener_;
  ParserStats stats_;
  std::uint64_t offset_ = 0;
};

// Chooses the parser by the first bytes of the file: `bytes` has eight, or all if the file is shorter. FileFormat: not
// a savefile.
Result<std::unique_ptr<SavefileParser>> parserFor(std::span<const std::uint8_t> bytes, const ParserLimits& limits,
                                                  SavefileListener& listener);

// The ARPHRD_ value for a LINKTYPE_ value; ARPHRD_VOID if there is none.
[[nodiscard]] std::uint16_t hardwareTypeOf(std::uint16_t linkType);

}  // namespace ringtap
