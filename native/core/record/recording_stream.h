// A recording as bytes: packets in, files out, one behind another in one ByteSink, with a cut where one is complete.
// What goes into which file is decided here, and what a file says of its interfaces and their losses; nothing here
// knows of the disk.
//
// One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "core/ledger/taken_block.h"
#include "core/links/interface_book.h"
#include "core/savefile/byte_sink.h"
#include "core/savefile/savefile_writer.h"

namespace ringtap {

struct RecordingForm {
  SavefileForm file;
  // When a file is complete; 0: never. `bytes` is not exceeded, save by a single packet or the account of a loss.
  std::uint64_t rotateBytes = 0;
  std::uint64_t rotatePackets = 0;
  std::uint32_t rotateMilliseconds = 0;  // since the file's first packet
  std::uint16_t linkType = 0;            // pcap: the only one there is in the files; 0: that of the first packet
};

// Packets lost so far, by device as far as that is known.
struct Losses {
  std::uint64_t inRing = 0;  // of all devices
  bool byDevice = false;     // whether `ofDevice` knows these
  std::map<InterfaceId, std::uint64_t> ofDevice;
};

class RecordingStream {
 public:
  using Clock = std::chrono::steady_clock;
  struct Sources {
    const InterfaceBook& book;
    std::function<Losses()> inRing;
    std::function<std::map<InterfaceId, std::uint64_t>()> byRecorder;  // so far
    std::function<std::uint64_t(const std::string& name)> speed;       // bits per second, 0: not known
    std::function<std::string()> filter;                               // the expression in force, as files tell it
  };
  struct Cut {
    std::size_t end;  // everything in the sink before this, and behind the cut before, is of this file
    SavefileCounts counts;
  };

  explicit RecordingStream(RecordingForm form);
  // Losses count from here on. Begins the first file.
  void start(Sources sources);

  // The packets of a block that was settled.
  void add(std::byte* block, const TakenBlock& taken);
  // Ends the present file and begins the next.
  void cut();
  // When that is to be done though no packet comes.
  [[nodiscard]] std::optional<Clock::time_point> cutDue() const;

  // The bytes and their cuts, for the caller to take and clear.
  [[nodiscard]] ByteSink& sink() { return sink_; }
  [[nodiscard]] std::vector<Cut>& cuts() { return cuts_; }
  [[nodiscard]] SavefileFormat format() const { return form_.file.format; }
  [[nodiscard]] bool nanoseconds() const { return form_.file.nanoseconds; }
  // Of the present file.
  [[nodiscard]] const SavefileCounts& counts() const { return writer_.counts(); }
  // Packets so far, of all files; and those left out of pcap files for their link type.
  [[nodiscard]] std::uint64_t packets() const { return packets_; }
  [[nodiscard]] std::uint64_t otherLinkType() const { return otherLinkType_; }

 private:
  // Index, generation, name, and the link type of the packets.
  using InterfaceKey = std::tuple<std::uint32_t, std::uint32_t, std::string, std::uint16_t>;
  struct Known {
    std::uint64_t key;  // index, ARPHRD_ type and the record's own link type
    std::uint32_t id;
  };
  struct Loss {
    std::uint64_t inRing = 0, byRecorder = 0;
  };

  void begin();
  void add(const Record& record, const BlockOrigin& origin);
  std::uint32_t idOf(const Record& record, const BlockOrigin& origin);
  std::uint32_t idOf(std::shared_ptr<const InterfaceInfo> info, std::uint16_t linkType);
  [[nodiscard]] bool full(std::size_t further) const;
  void addStatistics();
  void forgetKnown();

  const RecordingForm form_;
  std::optional<Sources> sources_;
  ByteSink sink_;
  SavefileWriter writer_;
  std::vector<Cut> cuts_;
  std::vector<std::shared_ptr<const InterfaceInfo>> interfaces_;  // of the file, by number
  std::map<InterfaceKey, std::uint32_t> ids_;
  std::vector<Known> known_;  // by index: what the present block's packets have
  bool steady_ = false;       // in the present block no index changes its meaning
  std::uint64_t began_ = 0;   // the file, nanoseconds since 1970
  Clock::time_point firstPacket_;
  Losses reportedInRing_;  // by the files so far
  std::map<InterfaceId, std::uint64_t> reportedByRecorder_;
  std::uint16_t linkType_;  // pcap: of the files, 0 as long as that is open
  std::uint64_t packets_ = 0;
  std::uint64_t otherLinkType_ = 0;
};

}  // namespace ringtap
