// Encodes a recording: packets in, the bytes of consecutive files out, in one ByteSink with a cut at the end of each
// file. Decides which packets go into which file, and what a file contains about interfaces and losses. Does no I/O.
//
// One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "core/ledger/reduction_log.h"
#include "core/ledger/taken_block.h"
#include "core/links/interface_book.h"
#include "core/record/owner_notes.h"
#include "core/savefile/byte_sink.h"
#include "core/savefile/key_log.h"
#include "core/savefile/savefile_writer.h"

namespace ringtap {

struct RecordingForm {
  SavefileForm file;
  // Limits at which a file is completed; 0: none. `rotateBytes` is not exceeded, except by a single packet or by the
  // statistics that report a loss.
  std::uint64_t rotateBytes = 0;
  std::uint64_t rotatePackets = 0;
  std::uint32_t rotateMilliseconds = 0;  // since the file's first packet
  std::uint16_t linkType = 0;            // pcap: of the files; 0: that of the first packet
};

// Packets lost so far, by cause, as in the ledger.
struct LossCauses {
  std::uint64_t droppedByRing = 0, droppedByOverflow = 0, malformed = 0;
  [[nodiscard]] bool operator==(const LossCauses&) const = default;
};

// Packets lost so far, by device where the device is known.
struct Losses {
  std::uint64_t inRing = 0;  // of all devices
  bool byDevice = false;     // whether `ofDevice` has inRing's counts by device
  std::map<InterfaceId, std::uint64_t> ofDevice;
  LossCauses causes;  // includes losses outside of the ring
};

struct DeviceTally {
  InterfaceId device;
  PacketTally tally;
};

// Packets of one interface that are missing from a file, by who lost them.
struct InterfaceLoss {
  std::uint64_t inRing = 0, byRecorder = 0;
};
// Adds them to an interface's statistics. `lostOfAll`: as in RecordingStream::Cut.
void addLosses(SavefileStatistics& statistics, const InterfaceLoss& loss, std::uint64_t lostOfAll);

class RecordingStream {
 public:
  using Clock = std::chrono::steady_clock;
  struct Sources {
    const InterfaceBook& book;
    std::function<Losses()> inRing;
    std::function<std::map<InterfaceId, std::uint64_t>()> byRecorder;  // packets lost besides these, so far
    std::function<std::uint64_t(const std::string& name)> speed;       // bits per second; 0: unknown
    std::function<std::string()> filter;                               // the current expression, as stored in files
    const ReductionLog* reductions = nullptr;  // stated with the interfaces; null: nothing is left out
    OwnerNotes* owners = nullptr;              // written with the packets, in pcapng; null: none
  };
  struct Cut {
    std::size_t end;  // offset in the sink; the bytes from the previous cut to here are of this file
    SavefileCounts counts;
    LossCauses losses;                 // until the end of this file
    std::vector<DeviceTally> devices;  // whose packets these are; a device may be listed several times
    // What the file's statistics report (pcapng), by interface number; and the packets lost in the ring, of all
    // interfaces together, where they are not counted by interface.
    std::vector<InterfaceLoss> lost;
    std::uint64_t lostOfAll = 0;
  };

  explicit RecordingStream(RecordingForm form);
  // Begins the first file. Its statistics contain the losses from here on, or `sinceOpening`, those since the sources
  // began to count.
  void start(Sources sources, bool sinceOpening = false);

  // Adds a block's packets. Their verdicts must have been applied to the block before.
  void add(std::byte* block, const TakenBlock& taken);
  // Adds lines of a key log of TLS (core/savefile/key_log.h) ahead of all further packets. Files that begin later
  // repeat the newest. Ignored in pcap.
  void addSecrets(std::span<const std::uint8_t> lines);
  // Ends the current file and begins the next.
  void cut();
  // When cut() is due even if no packet arrives.
  [[nodiscard]] std::optional<Clock::time_point> cutDue() const;

  // The encoded bytes and their cuts, which the caller takes and clears.
  [[nodiscard]] ByteSink& sink() { return sink_; }
  [[nodiscard]] std::vector<Cut>& cuts() { return cuts_; }
  [[nodiscard]] SavefileFormat format() const { return form_.file.format; }
  [[nodiscard]] bool nanoseconds() const { return form_.file.nanoseconds; }
  // Of the current file.
  [[nodiscard]] const SavefileCounts& counts() const { return writer_.counts(); }
  // Packets so far in all files, and packets left out of pcap files because of their link type.
  [[nodiscard]] std::uint64_t packets() const { return packets_; }
  [[nodiscard]] std::uint64_t otherLinkType() const { return otherLinkType_; }

 private:
  // Index, generation, name, the link type of the packets, and what is left out of them.
  using InterfaceKey = std::tuple<std::uint32_t, std::uint32_t, std::string, std::uint16_t, Reduction>;
  struct Known {
    std::uint64_t key;  // index, ARPHRD_ type and the record's own link type
    std::uint32_t id;
  };

  void begin();
  void add(const Record& record, const BlockOrigin& origin);
  std::uint32_t idOf(const Record& record, const BlockOrigin& origin);
  std::uint32_t idOf(std::shared_ptr<const InterfaceInfo> info, std::uint16_t linkType, const Reduction& reduction);
  [[nodiscard]] bool full(std::size_t further) const;
  void addStatistics(const Losses& inRing, Cut& cut);
  std::vector<InterfaceLoss> newLosses(const Losses& inRing);
  void forgetKnown();

  const RecordingForm form_;
  std::optional<Sources> sources_;
  ByteSink sink_;
  SavefileWriter writer_;
  std::vector<Cut> cuts_;
  std::vector<std::shared_ptr<const InterfaceInfo>> interfaces_;  // of the file, by number
  std::map<InterfaceKey, std::uint32_t> ids_;
  // By interface index modulo the size, for the current block only, and only while every index stands for one device.
  std::vector<Known> known_;
  bool steady_ = false;      // no index changes its meaning within the current block, and what is left out neither
  std::uint64_t began_ = 0;  // start of the current file, nanoseconds since 1970
  Clock::time_point firstPacket_;
  Losses reportedInRing_;  // in the statistics of the files so far
  std::map<InterfaceId, std::uint64_t> reportedByRecorder_;
  std::uint16_t linkType_;  // pcap: of the files; 0: not yet determined
  KeptKeyLog secrets_;
  std::uint64_t packets_ = 0;
  std::uint64_t otherLinkType_ = 0;
};

}  // namespace ringtap
