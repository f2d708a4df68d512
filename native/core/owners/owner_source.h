// Who answers whose packets are: an OwnerWatch, or a table in a test.
#pragma once

#include <cstdint>

#include "core/owners/owner_table.h"
#include "core/owners/socket_ends.h"

namespace ringtap {

struct OwnerAnswer {
  Ownership owners;
  OwnerSpan steady;  // times for which the answer is the same, as long as the stamp is
};

// Thread-safe.
class OwnerSource {
 public:
  virtual ~OwnerSource() = default;

  // As OwnerTable::find().
  [[nodiscard]] virtual OwnerAnswer answer(const SocketEnds& ends, std::uint64_t time) = 0;
  // Changes when an answer for these ends, or the reversed ones, may have changed: read it before answer().
  [[nodiscard]] virtual std::uint64_t stamp(const SocketEnds& ends) const = 0;
  // Asks for the present sockets and processes.
  virtual std::uint64_t ask() = 0;
  // Sockets and processes were read at this time or later, nanoseconds since 1970.
  [[nodiscard]] virtual std::uint64_t sweptAt() const = 0;
  // Nothing is read any more, so that answers are out of date.
  [[nodiscard]] virtual bool ended() const = 0;
};

}  // namespace ringtap
