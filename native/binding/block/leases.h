// Blocks of packets lent to JavaScript as external ArrayBuffers, one per block. The Owner determines where the memory
// comes from.
//
// All functions here run on JavaScript's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "binding/util/js.h"
#include "core/capture/intake/chunk_queue.h"

namespace ringtap::binding {

class Leases {
 public:
  // `copying`: lend copies, as always in embedders that refuse external ArrayBuffers.
  explicit Leases(bool copying) : copying_(copying), held_(std::make_shared<Table>()) {}

  // Keeps the block's memory valid; its destruction returns the block.
  using Owner = std::shared_ptr<void>;

  // Returns an ArrayBuffer over a walked block, up to the end of its last packet, and sets the number that release()
  // takes. Empty if none could be made.
  [[nodiscard]] js::Value lend(js::Env env, std::byte* block, const BlockSummary& summary, Owner owner,
                               std::uint32_t& number);
  [[nodiscard]] js::Value lend(js::Env env, Lease lease, std::uint32_t& number);
  // Detaches the ArrayBuffer, so that all views on it become empty, then returns the block. If JavaScript has moved the
  // memory to another ArrayBuffer, the block is returned when that one is gone. Unknown numbers have no effect.
  void release(js::Env env, std::uint32_t number);
  void releaseAll(js::Env env);

 private:
  // A lent block. It is returned by release(), or when the garbage collector frees the last ArrayBuffer with its
  // memory.
  struct Held {
    Owner owner;                            // null if the buffer is a copy
    js::Reference<js::ArrayBuffer> buffer;  // weak
  };
  using Table = std::unordered_map<std::uint32_t, Held>;
  struct Ticket {
    std::shared_ptr<Table> table;
    std::uint32_t number;
  };

  [[nodiscard]] js::Value lendCopy(js::Env env, Lease lease, std::uint32_t& number);
  [[nodiscard]] js::Value copy(js::Env env, const std::byte* block, const BlockSummary& summary, Ticket* ticket);
  static void expire(Ticket* ticket);
  static bool detach(js::Env env, const Held& held);

  bool copying_;
  std::shared_ptr<Table> held_;
  std::uint32_t last_ = 0;
};

}  // namespace ringtap::binding
