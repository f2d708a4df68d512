// Blocks of packets lent to JavaScript as external ArrayBuffers, one per block. The Owner determines where the memory
// comes from.
//
// A view on a block that JavaScript passed to an asynchronous function is read, or written, on another thread, which a
// release does not stop. Node.js keeps such a view alive while the function runs. So the addresses of a released block
// stay valid, with the block's content or zeros behind them, until its ArrayBuffer is garbage-collected.
//
// All functions here run on JavaScript's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "binding/util/js.h"
#include "core/block/block.h"
#include "core/block/block_bytes.h"
#include "core/block/deferred_memory.h"

namespace ringtap::binding {

class Leases {
 public:
  // `copying`: lend copies, as always in embedders that refuse external ArrayBuffers. `deferred`: how much memory may
  // be deferred, in bytes.
  Leases(bool copying, std::size_t deferred)
      : deferred_(std::make_shared<DeferredMemory>(deferred)), copying_(copying), held_(std::make_shared<Table>()) {}

  Leases(const Leases&) = delete;
  Leases& operator=(const Leases&) = delete;
  ~Leases() { deferred_->close(); }

  // Keeps the block's memory valid; its destruction returns the block.
  class Owner {
   public:
    Owner() = default;
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;
    virtual ~Owner() = default;
    // Withdraws the memory from readers on other threads; called at most once, just before the destruction. nullopt if
    // that is not possible: the destruction must then wait until there can be no such reader.
    [[nodiscard]] virtual std::optional<Remains> vacate(DeferredMemory& deferred) = 0;
  };

  // Returns an ArrayBuffer over a walked block, up to the end of its last packet, and sets the number that release()
  // takes. Empty if none could be made.
  [[nodiscard]] js::Value lend(js::Env env, std::byte* block, const BlockSummary& summary, std::unique_ptr<Owner> owner,
                               std::uint32_t& number);
  // Detaches the ArrayBuffer, so that all views on it become empty, then returns the block. `exposed`: JavaScript
  // outside the library has had a view on it. If JavaScript has moved the memory to another ArrayBuffer, the block is
  // returned when that one is gone. Unknown numbers have no effect.
  void release(js::Env env, std::uint32_t number, bool exposed);
  // Releases all blocks. Memory that is deferred is freed when its ArrayBuffer is collected.
  void close(js::Env env);
  // Whether copies are lent.
  [[nodiscard]] bool copying() const { return copying_; }

 protected:
  // In bytes, up to the end of the last packet rounded up to 64 bits: lib/packets/chunk.ts reads the block through
  // typed arrays.
  [[nodiscard]] static std::size_t lengthOf(const BlockSummary& summary) {
    return (std::size_t{summary.length} + 7) / 8 * 8;
  }

  const std::shared_ptr<DeferredMemory> deferred_;

 private:
  // What must be kept after a block is released: owned by its ArrayBuffer, and by its ticket as long as the engine has
  // the memory.
  struct Retained {
    std::shared_ptr<void> memory;           // the remains, or the owner itself
    js::Reference<js::ArrayBuffer> buffer;  // of a copy: the ArrayBuffer that its memory was moved to
    std::int64_t charge = 0;                // bytes reported to the engine
    std::shared_ptr<std::size_t> count;     // of all objects of this type
  };
  // A lent block. It is returned by release(), or when the garbage collector frees the last ArrayBuffer with its
  // memory.
  struct Held {
    std::unique_ptr<Owner> owner;           // null if the buffer is a copy
    js::Reference<js::ArrayBuffer> buffer;  // weak
    std::shared_ptr<Retained> retained;
  };
  using Table = std::unordered_map<std::uint32_t, Held>;
  struct Ticket {
    std::shared_ptr<Table> table;
    std::uint32_t number;
    std::shared_ptr<Retained> retained;
  };

  [[nodiscard]] js::Value copy(js::Env env, const std::byte* block, const BlockSummary& summary, Ticket* ticket);
  void leave(js::Env env, const js::ArrayBuffer& buffer, Held& held);
  static void expire(Ticket* ticket);
  static bool detach(js::Env env, js::ArrayBuffer& buffer, Held& held, bool exposed);

  bool copying_;
  std::shared_ptr<Table> held_;
  std::uint32_t last_ = 0;
  std::shared_ptr<std::size_t> retainedCount_ = std::make_shared<std::size_t>(0);
  std::vector<std::shared_ptr<Retained>> unwatched_;  // those whose ArrayBuffer's collection cannot be noticed
};

}  // namespace ringtap::binding
