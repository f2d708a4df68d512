// Encodes savefiles, one after another, into a ByteSink: header, interfaces, packets and statistics. The caller writes
// the bytes to a file. Not thread-safe: one thread at a time.
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
  bool nanoseconds = true;  // pcap only; pcapng timestamps are always in nanoseconds
  std::uint32_t snapLength = savefile::kMaxCaptured;
  SavefileSection section;
};

// The contents of one file.
struct SavefileCounts {
  std::uint64_t packets = 0;
  std::uint64_t packetBytes = 0;     // as captured, with VLAN tags
  std::uint64_t bytes = 0;           // of the file
  std::uint64_t firstTimestamp = 0;  // earliest and latest packet timestamps
  std::uint64_t lastTimestamp = 0;
  std::uint64_t clampedTimes = 0;  // packets later than pcap's last second, in 2106, and stored with that second
};

// Packets of one interface in a file, and of these: the bytes captured, without VLAN tags that were put back, and the
// packets that were cut at the snapshot length.
struct PacketTally {
  std::uint64_t packets = 0, bytes = 0, truncated = 0;
};

struct CompleteFile {
  std::string path;
  SavefileCounts counts;
};

class SavefileWriter {
 public:
  SavefileWriter(ByteSink& sink, SavefileForm options) : sink_(sink), options_(std::move(options)) {}

  // Begins a file. Interface numbers start at 0 again.
  void begin();
  // Returns the interface's number in this file. A pcap file describes no interfaces: the first one added sets its link
  // type.
  std::uint32_t add(const SavefileInterface& interface);
  // Returns false, and writes nothing, if the format is pcap and the interface's link type is not the file's. In pcap
  // there are neither comments nor `options` (packetOptions()).
  [[nodiscard]] bool write(std::uint32_t interface, const Record& record, std::span<const std::string> comments = {},
                           std::span<const std::byte> options = {});
  // The number of bytes that write() would add for this packet without comments. `options`: bytes of these.
  [[nodiscard]] std::size_t sizeOf(std::uint32_t interface, const Record& record, std::size_t options = 0) const;
  // Writes a block of any other type. Ignored in pcap.
  void block(std::uint32_t type, std::span<const std::uint8_t> body);
  // Writes interface statistics, which end a file: only further statistics may follow. Ignored in pcap.
  void statistics(std::uint32_t interface, const SavefileStatistics& statistics);
  // Completes the file.
  void end();

  [[nodiscard]] const SavefileCounts& counts() const { return counts_; }
  [[nodiscard]] SavefileFormat format() const { return options_.format; }
  // The link type of the first interface, which all packets of a pcap file share. Call after add().
  [[nodiscard]] std::uint16_t linkType() const { return linkTypes_.front(); }
  // What was written, by interface number.
  [[nodiscard]] const std::vector<PacketTally>& delivered() const { return delivered_; }

 private:
  void header(std::uint16_t linkType);
  void wrote(std::size_t before) { counts_.bytes += sink_.size() - before; }

  ByteSink& sink_;
  SavefileForm options_;
  SavefileCounts counts_;
  std::vector<std::uint16_t> linkTypes_;  // by interface number
  std::vector<PacketTally> delivered_;
  bool headed_ = false;
};

}  // namespace ringtap
