// Blocks of packets as JavaScript holds them: external ArrayBuffers, one a block. Whose memory a block is, its owner
// knows.
//
// Belongs to JavaScript's thread, as does every function here.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "binding/util/js.h"
#include "core/capture/intake/chunk_queue.h"

namespace ringtap::binding {

class Leases {
 public:
  // `copying`: hand out copies, as is done anyway in embedders that refuse external ArrayBuffers.
  explicit Leases(bool copying) : copying_(copying), held_(std::make_shared<Table>()) {}

  // What keeps a block where it is: it goes back with this object.
  using Owner = std::shared_ptr<void>;

  // An ArrayBuffer over a walked block, up to the end of its last packet, and the number it is released by. Empty where
  // none could be made.
  [[nodiscard]] js::Value lend(js::Env env, std::byte* block, const BlockSummary& summary, Owner owner,
                               std::uint32_t& number);
  [[nodiscard]] js::Value lend(js::Env env, Lease lease, std::uint32_t& number);
  // Detaches the ArrayBuffer: every view on it becomes empty. Then the block goes back; where JavaScript has moved the
  // memory to another ArrayBuffer, not before that one is gone. Unknown numbers do nothing.
  void release(js::Env env, std::uint32_t number);
  void releaseAll(js::Env env);

 private:
  // One block in JavaScript's hands. It ends with release(), or when the garbage collector takes the last ArrayBuffer
  // that has the memory.
  struct Held {
    Owner owner;                            // none where the buffer is a copy
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
