// The layouts of the arrays of numbers passed between C++ and TypeScript, and numbers that stand for words. TypeScript
// has the same as constants (lib/native/layouts.ts, numbers.ts); test/native/layouts.test.ts compares the two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "binding/util/js.h"

namespace ringtap::binding {

// Each layout is a namespace of word indexes, kX for each X of its list, and their number kWords.
#define RINGTAP_WORD(name) k##name,
#define RINGTAP_LAYOUT(layout, words)                \
  namespace layout {                                 \
  enum : std::size_t { words(RINGTAP_WORD) kWords }; \
  }

// A block that nextBlock() returns. Words are doubles, except the timestamps: unsigned 64-bit integers.
#define RINGTAP_BLOCK_META(X) \
  X(Packets) X(Bytes) X(Epoch) X(Ring) X(Number) X(Steady) X(Lease) X(FirstTimestamp) X(LastTimestamp)
RINGTAP_LAYOUT(block_meta, RINGTAP_BLOCK_META)

// A chunk that nextChunk() returns. Types as above.
#define RINGTAP_CHUNK_META(X) X(Packets) X(Bytes) X(Position) X(Lease) X(FirstTimestamp) X(LastTimestamp)
RINGTAP_LAYOUT(chunk_meta, RINGTAP_CHUNK_META)

// The totals of a savefile writer. Types as above.
#define RINGTAP_WRITER_COUNTS(X) X(Packets) X(PacketBytes) X(Bytes) X(FirstTimestamp) X(LastTimestamp) X(ClampedTimes)
RINGTAP_LAYOUT(writer_counts, RINGTAP_WRITER_COUNTS)

// The counters of one interface in stats(). Doubles; NaN if a number is not available.
// clang-format off
#define RINGTAP_INTERFACE_ROW(X)                                                               \
  X(Index) X(Generation) X(Present) X(Selected)                                                \
  X(Received) X(Delivered) X(Bytes) X(DroppedByRecorder) X(Dropped)                            \
  X(Unselected) X(Duplicates) X(BeyondCutoff) X(SampledOut) X(Truncated) X(Queued)             \
  X(DeviceDropped) X(DeviceMissed) X(DeviceErrors) X(DeviceOverruns) X(DeviceFifoErrors)
// clang-format on
RINGTAP_LAYOUT(interface_row, RINGTAP_INTERFACE_ROW)

// A loss sample: the head, then a row per interface. Doubles.
#define RINGTAP_LOSS_HEAD(X) X(Packets) X(Settled) X(PerInterface) X(Received) X(ByRing) X(ByOverflow) X(Malformed)
RINGTAP_LAYOUT(loss_head, RINGTAP_LOSS_HEAD)
#define RINGTAP_LOSS_ROW(X) X(Index) X(Generation) X(Received) X(Lost)
RINGTAP_LAYOUT(loss_row, RINGTAP_LOSS_ROW)

// A frame for injectorSend(): its length, its VLAN tag (Frame::tag), the Refusal if it must not be sent, and for a
// captured packet its LINKTYPE_ with flags (packet_flag, below), else 0. Unsigned 32-bit integers.
#define RINGTAP_FRAME(X) X(Length) X(Tag) X(Refusal) X(Packet)
RINGTAP_LAYOUT(frame, RINGTAP_FRAME)

// Why nextBlock() and nextChunk() return a number in place of a block.
enum class NoBlock : std::uint8_t { Empty, EventsFirst, Finished };

// Flags of a captured packet, in the bits of `Packet` above its link type.
namespace packet_flag {
inline constexpr std::uint32_t kPacket = 0x1'0000;
inline constexpr std::uint32_t kChecksumPending = 0x2'0000;
}  // namespace packet_flag

// An object with the numbers of these entries, by name.
template <typename Enum>
[[nodiscard]] js::Object numbersOf(js::Env env, std::initializer_list<std::pair<const char*, Enum>> entries) {
  js::Object object = js::Object::New(env);
  for (const auto& [name, value] : entries) object.Set(name, js::Number::New(env, static_cast<double>(value)));
  return object;
}

#undef RINGTAP_LAYOUT
#undef RINGTAP_WORD

}  // namespace ringtap::binding
