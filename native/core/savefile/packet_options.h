// The options of pcapng stored after a packet's bytes, in records with kStatusOptions (record_layout.h): how a packet
// keeps them from a file that is read to one that is written.
//
// Stored are those whose numbers can be converted to this machine's byte order, and custom ones, whose data has a byte
// order that only its owner knows. The flags are not among them: of these a record has direction and reception, as the
// packet's type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/block/block.h"
#include "core/savefile/byte_sink.h"

namespace ringtap {

class StoredOptions {
 public:
  void clear() { bytes_.clear(); }
  // Adds an option; leaves out those that are unknown, of an invalid length, or must not be copied. `swapped`: the
  // numbers in the value are not in this machine's byte order.
  void add(std::uint16_t code, std::span<const std::uint8_t> value, bool swapped);
  // Drops all others.
  void keepComments();
  // As stored after a packet's bytes; empty if there are none.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return bytes_; }

 private:
  void put(std::uint16_t code, std::span<const std::uint8_t> value);

  std::vector<std::uint8_t> bytes_;
};

// Appends the record's options in the form that writePacket() takes. Options that extend beyond `end` are left out.
void appendOptions(const Record& record, const std::byte* end, ByteSink& sink);

}  // namespace ringtap
