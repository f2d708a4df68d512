// What goes into savefiles, one after another: the header, the interfaces, the packets and what is said at the end.
//
// Writes into a ByteSink, which others bring to the disk: nothing here knows of files. One thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/savefile/savefile_blocks.h"
#include "core/savefile/savefile_format.h"

namespace ringtap {

enum class SavefileFormat : std::uint8_t { Pcapng, Pcap };

struct SavefileForm {
  SavefileFormat format = SavefileFormat::Pcapng;
  bool nanoseconds = true;  // pcap; pcapng has them always
  std::uint32_t snapLength = savefile::kMaxCaptured;
  SavefileSection section;
};

// What is in one file.
struct SavefileCounts {
  std::uint64_t packets = 0;
  std::uint64_t packetBytes = 0;     // as captured, with VLAN tags
  std::uint64_t bytes = 0;           // of the file
  std::uint64_t firstTimestamp = 0;  // the earliest and the latest of its packets
  std::uint64_t lastTimestamp = 0;
};

class SavefileWriter {
 public:
  SavefileWriter(ByteSink& sink, SavefileForm options) : sink_(sink), options_(std::move(options)) {}

  // The start of a file. What was said of interfaces belongs to the file before.
  void begin();
  // The interface's number in this file. pcap knows none: it only takes the link type of the first.
  std::uint32_t add(const SavefileInterface& interface);
  // False, and nothing is written: pcap, and the interface has another link type than the file.
  [[nodiscard]] bool write(std::uint32_t interface, const Record& record, std::span<const std::string> comments = {});
  // Bytes that write() of this packet would add.
  [[nodiscard]] std::size_t sizeOf(std::uint32_t interface, const Record& record) const;
  // A block of another kind, where it stands; pcapng.
  void block(std::uint32_t type, std::span<const std::uint8_t> body);
  // pcapng; to be followed by nothing but further ones.
  void statistics(std::uint32_t interface, const SavefileStatistics& statistics);
  // Completes the file.
  void end();

  [[nodiscard]] const SavefileCounts& counts() const { return counts_; }
  [[nodiscard]] SavefileFormat format() const { return options_.format; }
  // Of each interface, by its number: packets written.
  [[nodiscard]] const std::vector<std::uint64_t>& delivered() const { return delivered_; }

 private:
  void header(std::uint16_t linkType);
  void wrote(std::size_t before) { counts_.bytes += sink_.size() - before; }

  ByteSink& sink_;
  SavefileForm options_;
  SavefileCounts counts_;
  std::vector<std::uint16_t> linkTypes_;  // by number
  std::vector<std::uint64_t> delivered_;
  bool headed_ = false;
};

}  // namespace ringtap
