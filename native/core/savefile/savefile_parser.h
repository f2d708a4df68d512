// The common part of the parsers of the two savefile formats: bytes in, packets into a block, the rest to a listener.
//
// A parser keeps none of the bytes, allocates nothing by what a file claims, and makes no system call. It trusts
// nothing in the file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/block/block_filler.h"
#include "core/bpf/filter_instruction.h"
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
  // All packets of earlier sections are in chunks that were handed over before.
  bool fresh = true;
  std::vector<FileOption> options;
};

struct FileInterface {
  std::uint32_t index = 0;  // counted over all sections: no two interfaces of a file have the same
  std::uint32_t id = 0;     // within its section
  std::uint16_t linkType = 0;
  std::uint32_t snapshotLength = 0;
  std::uint8_t fcsLength = 0;            // bytes at each packet's end, where the file's header says so (pcap)
  bool nanoseconds = false;              // a pcap file's resolution
  std::vector<FileOption> options = {};  // pcapng
};

// A block that is neither packet, section nor interface.
struct FileBlock {
  std::uint32_t type = 0;
  bool bigEndian = false;
  std::uint64_t offset = 0;
  std::vector<std::uint8_t> body;
};

// What is to become of an interface's packets.
struct InterfaceRule {
  bool selected = true;
  const FilterProgram* filter = nullptr;  // validated; none: all pass. It outlives the parser.
};

class SavefileListener {
 public:
  virtual ~SavefileListener() = default;
  virtual Result<> section(FileSection section) = 0;
  // Before the interface's first packet.
  virtual Result<InterfaceRule> interface(FileInterface interface) = 0;
  // Whether a block of this type, with so many bytes in its body, is to be kept, and then the block. What was answered
  // holds for the block, about which it may be asked twice.
  virtual bool wanted(std::uint32_t type, std::size_t bytes, std::uint64_t offset) = 0;
  virtual Result<> block(FileBlock block) = 0;
  // Something that the user should see; parsing goes on. A few of a file, at most.
  virtual void warning(std::string /*text*/) {}
};

struct ParserLimits {
  std::uint32_t snapshotLength = 262144;  // packets are cut to that
  std::size_t packet = 1 << 20;           // a longer one is damage
  std::size_t item = (1 << 20) + 65536;   // bytes that parse() may ask for in one piece, but for a wanted block
  bool comments = true;
};

struct ParserStats {
  std::uint64_t packets = 0;  // read, whatever became of them
  std::uint64_t unselected = 0;
  std::uint64_t filtered = 0;
  std::uint64_t skippedBlocks = 0;  // neither packets nor wanted
  std::uint64_t clampedTimes = 0;   // packets whose time was replaced by the nearest that a timestamp can hold
};

struct ParseStep {
  enum class Why {
    More,  // `amount` bytes in one piece are needed, from where it stopped
    Full,  // the next packet does not fit into the block any more
    Skip,  // `amount` bytes from where it stopped are to be passed over unseen
  };
  Why why = Why::More;
  std::uint64_t amount = 0;
};

class SavefileParser {
 public:
  virtual ~SavefileParser() = default;

  // Goes through `bytes`, which continue where the last call stopped. `consumed` says how far it came, also with an
  // error: packets before it are in `filler`.
  virtual Result<ParseStep> parse(std::span<const std::uint8_t> bytes, BlockFiller& filler, std::size_t& consumed) = 0;
  // The bytes have ended, `left` of them unparsed or passed over: an error where that is in the middle of something.
  [[nodiscard]] virtual Result<> end(std::uint64_t left) const = 0;

  [[nodiscard]] const ParserStats& stats() const { return stats_; }
  // Of the next byte to parse.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }

 protected:
  SavefileParser(const ParserLimits& limits, SavefileListener& listener) : limits_(limits), listener_(listener) {}

  struct Interface {
    RecordHead head;
    InterfaceRule rule;
    std::uint16_t hardwareType = 0;
    std::uint16_t swappedHeader = 0;  // the link type if packets have a pseudo-header in the other byte order, or 0
  };
  // False where the filler has no room.
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

  std::vector<std::uint8_t> converted_;  // the packet at hand, where its header was converted

 protected:
  const ParserLimits limits_;
  SavefileListener& listener_;
  ParserStats stats_;
  std::uint64_t offset_ = 0;
};

// By the first bytes, of which `bytes` has eight, or all there are. FileFormat where they begin no savefile.
Result<std::unique_ptr<SavefileParser>> parserFor(std::span<const std::uint8_t> bytes, const ParserLimits& limits,
                                                  SavefileListener& listener);

// The ARPHRD_ that goes with a LINKTYPE_, ARPHRD_VOID where none does.
[[nodiscard]] std::uint16_t hardwareTypeOf(std::uint16_t linkType);

}  // namespace ringtap
