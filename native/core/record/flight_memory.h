// The newest packets of a capture, in bounded memory: the target of a flight recorder.
//
// The recorder's files are segments here, each a whole pcapng section with its own interfaces. If that was asked for,
// each is rewritten as differences (delta_coding.h) and compressed, by itself. The oldest segments make room for new
// ones, whether a dump (flight_dump.h) has read them or not. `memory` contains all segments, the one in progress and
// the buffers to compress it; the recorder itself needs up to two megabytes, another one or two to compress, and what
// one block of the ring holds.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "core/block/block_bytes.h"
#include "core/record/recording_target.h"
#include "core/savefile/byte_sink.h"
#include "core/savefile/pack.h"

namespace ringtap {

struct FlightOptions {
  std::size_t memory = 0;            // bytes
  std::chrono::milliseconds age{0};  // of the oldest packets, about; 0: no limit
  Packing packing = Packing::None;   // how they are kept
  bool byDevice = false;             // each segment counts the packets before it by device, and so does Position
};

// Bytes and milliseconds after which a segment is complete.
[[nodiscard]] std::size_t segmentBytes(const FlightOptions& options);
[[nodiscard]] std::uint32_t segmentMilliseconds(const FlightOptions& options);
// What `memory` has beside the segments that are complete.
[[nodiscard]] std::size_t workingBytes(const FlightOptions& options);

struct FlightSegmentSummary {
  std::uint64_t number = 0;         // from 0, without gaps
  std::uint64_t packetsBefore = 0;  // in all segments before this one
  std::uint64_t began = 0;          // nanoseconds since 1970: the end of the segment before
  SavefileCounts counts;
  std::vector<InterfaceLoss> lost;  // as in RecordingStream::Cut
  std::uint64_t lostOfAll = 0;
  std::vector<DeviceTally> devices;             // likewise
  std::map<InterfaceId, std::uint64_t> before;  // the packets of all segments before this one, if asked for
  std::chrono::steady_clock::time_point completed;
};

// Immutable.
struct FlightSegment : FlightSegmentSummary {
  BlockBytes bytes;
  std::size_t length = 0;
  Packing packing = Packing::None;
  std::size_t encodedLength = 0;  // of its differences, not compressed; 0 with Packing::None
  std::size_t unpackedLength = 0;
};

// Everything but RecordingTarget's functions is thread-safe.
class FlightMemory final : public RecordingTarget {
 public:
  explicit FlightMemory(FlightOptions options);

  // Code::Option: the library that compresses is missing.
  Result<> begin() override;
  Result<> write(std::span<const std::byte> bytes, const SavefileCounts& counts) override;
  Result<> complete(const RecordingStream::Cut& cut) override;
  [[nodiscard]] bool keepsEmpty(const RecordingStream::Cut&) const override { return false; }
  [[nodiscard]] bool takesEmpty() const override { return true; }  // for their losses
  void discard() override { open_.clear(); }
  void fail() override { open_.clear(); }
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> workDue() const override;
  Result<> work() override;
  // The segments stay when the capture is closed.
  [[nodiscard]] bool lasting() const override { return true; }
  [[nodiscard]] TargetCounts counts() const override;

  using Segment = std::shared_ptr<const FlightSegment>;
  struct Position {
    std::uint64_t number = 0;                         // of a segment
    std::uint64_t packets = 0;                        // in all segments before it,
    std::map<InterfaceId, std::uint64_t> ofDevice{};  // and by device, if asked for
  };
  // The oldest segment with a packet of this time or later; if there is none, the next one.
  [[nodiscard]] Position firstSince(std::uint64_t timestamp) const;
  // Where the next segment will be.
  [[nodiscard]] Position end() const;
  // Packets in the segments from here on that are not held any more, and in those that are.
  struct Rest {
    std::uint64_t overwritten = 0, held = 0;
  };
  [[nodiscard]] Rest restFrom(std::uint64_t packetsBefore) const;
  // The oldest segment with this number or a higher one. Waits for it until `givenUp` returns true, then null; wake()
  // makes it be called again, under the lock.
  [[nodiscard]] Segment await(std::uint64_t number, const std::function<bool()>& givenUp) const;
  // The segment without compression. Code::System: there is no memory for that.
  [[nodiscard]] static Result<Segment> unpacked(const Segment& segment);
  void wake();
  // Drops all segments.
  void clear();

  struct Held {
    std::uint64_t packets = 0, memory = 0;
    std::uint64_t firstTimestamp = 0, lastTimestamp = 0;
  };
  [[nodiscard]] Held held() const;

 private:
  using Clock = std::chrono::steady_clock;
  // Of the buffers, with that of `growing` when it has so many bytes.
  [[nodiscard]] std::size_t bufferBytes(const ByteSink& growing, std::size_t bytes) const;
  // Makes `sink` have room for so many bytes in all, and the memory for what it takes then.
  Result<> enlarge(ByteSink& sink, std::size_t bytes);
  // Returns buffers that a segment of unusual size has enlarged to the usual size.
  Result<> allocateBuffers();
  void dropOldest();
  [[nodiscard]] Segment find(std::uint64_t number) const;  // null if there is none

  const FlightOptions options_;
  std::unique_ptr<Packer> packer_;
  ByteSink open_;    // the segment in progress
  ByteSink deltas_;  // the same as differences,
  ByteSink packed_;  // and these compressed
  std::uint64_t began_ = 0;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<Segment> segments_;
  std::size_t used_ = 0;
  std::uint64_t next_ = 0;                         // number of the next segment
  TargetCounts counts_;                            // of all segments so far
  std::map<InterfaceId, std::uint64_t> ofDevice_;  // their packets, if asked for
};

}  // namespace ringtap
