// The connections that a capture excludes (excludeConnections), compiled for both filter modes.
//
// A packet is refused if it belongs to one of them, in either direction (connection_locator.h). Packets without a
// connection pass.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/bpf/connection_maps.h"
#include "core/bpf/connection_set.h"
#include "core/filter/filter_instruction.h"
#include "core/util/result.h"

namespace ringtap {

inline constexpr std::size_t kMaxConnections = 100'000;

// Entries separated by newlines, as parseConnection() takes them; "": none.
struct ConnectionList {
  std::string text;
  std::string label = "excludeConnections";  // the option's name, for messages
};

class ConnectionFilter {
 public:
  // Checks and compiles the list. Call it off the event loop. Returns null if the list is empty. `maps`: also create
  // the kernel maps. If the kernel refuses them, create() still succeeds and maps() returns the error.
  //
  // Option: parseConnection() rejects an entry, or there are too many.
  [[nodiscard]] static Result<std::shared_ptr<const ConnectionFilter>> create(const ConnectionList& list, bool maps);
  ConnectionFilter(ConnectionSet connections, bool maps, std::string option = {});

  [[nodiscard]] const ConnectionSet& connections() const { return connections_; }

  // The connections' part of a classic program (connection_program.h). FilterTooLarge if it is longer than `room`
  // instructions; the message states how many connections would fit and how to fit more.
  [[nodiscard]] Result<std::span<const FilterInstruction>> classic(std::size_t room) const;
  // The maps, or the error of creating them.
  [[nodiscard]] Result<ConnectionMapFds> maps() const;

  // The verdict in user space. False if the packet was cut too short to decide: no packet is delivered that may belong
  // to an excluded connection.
  [[nodiscard]] bool accepts(std::uint16_t linkType, std::span<const std::uint8_t> bytes,
                             std::uint32_t originalLength) const;

 private:
  ConnectionSet connections_;
  std::string option_;                    // for messages
  std::optional<FilterProgram> classic_;  // unset if the set is too large for any program
  Result<ConnectionMaps> maps_;
};

}  // namespace ringtap
