// Copies packets out of a flight recorder's segments into one savefile: a pcapng section, which describes each
// interface once, or a pcap file.
//
// One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/record/flight_memory.h"
#include "core/savefile/byte_sink.h"
#include "core/savefile/savefile_filter.h"
#include "core/savefile/savefile_parser.h"
#include "core/savefile/savefile_writer.h"

namespace ringtap {

// Bytes from which on a piece of the savefile is handed over.
inline constexpr std::size_t kSegmentPiece = std::size_t{1} << 20;

struct SegmentCopyOptions {
  std::uint64_t from = 0;                // nanoseconds since 1970: of the first and
  std::uint64_t to = ~std::uint64_t{0};  // of the last packet
  SavefileForm form;
  std::optional<std::string> filter;
  bool selecting = false;      // decide() says whose packets are copied; otherwise those of all interfaces are
  std::uint16_t linkType = 0;  // pcap: of the file; 0: that of the first packet
};

class SegmentCopy {
 public:
  explicit SegmentCopy(SegmentCopyOptions options);

  // Begins the file. FilterSyntax and others as SavefileFilter.
  Result<> begin();
  // The first interface of a segment that decide() has not been called for. With `selecting`, add() may be called once
  // there is none.
  [[nodiscard]] std::optional<FileInterface> undecided(const FlightSegment& segment);
  // Whether the packets of the interface are copied that undecided() has returned.
  void decide(bool selected);
  Result<> add(const FlightSegment& segment);
  // Writes the statistics of every interface: its packets in the file, and the losses that the segments report. `amend`
  // may add to them. Nothing in pcap.
  void statistics(std::uint64_t start, std::uint64_t end,
                  const std::function<void(InterfaceId device, SavefileStatistics& statistics)>& amend);
  // Completes the file.
  void end();

  // The bytes so far, which the caller takes.
  [[nodiscard]] ByteSink& sink() { return sink_; }
  [[nodiscard]] const SavefileCounts& counts() const { return counts_; }
  // Packets that the segments report as lost, of the interfaces in the file.
  [[nodiscard]] std::uint64_t lost() const;
  // pcap: packets left out because of their link type.
  [[nodiscard]] std::uint64_t otherLinkType() const { return otherLinkType_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  // An interface of a segment.
  struct Interface {
    std::span<const std::byte> description;  // its block
    InterfaceId device;
    std::uint16_t linkType = 0;
    bool selected = false;
    std::optional<std::uint32_t> id;  // in the file
    const FilterProgram* program = nullptr;
  };
  struct Described {
    InterfaceId device;
    std::uint64_t packets = 0;
    InterfaceLoss loss;
  };

  void interface(std::span<const std::byte> block, const FlightSegment& segment);
  [[nodiscard]] bool selected(std::span<const std::byte> description) const;
  Result<> packet(std::span<const std::byte> block);
  std::uint32_t idOf(Interface& interface);
  void head(std::uint16_t linkType);

  const SegmentCopyOptions options_;
  std::vector<std::string> warnings_;
  SavefileFilter filter_;
  ByteSink sink_;
  std::uint16_t linkType_;  // pcap: of the file, once `headed_`
  bool headed_ = false;
  std::map<std::string, bool, std::less<>> verdicts_;      // by the blocks of the interfaces
  std::string asked_;                                      // the block that undecided() has returned
  std::vector<Interface> interfaces_;                      // of the current segment
  std::map<std::string, std::uint32_t, std::less<>> ids_;  // of the file's interfaces, by their blocks
  std::vector<Described> described_;                       // by these
  std::uint64_t lostOfAll_ = 0;
  SavefileCounts counts_;
  std::uint64_t otherLinkType_ = 0;
};

}  // namespace ringtap
