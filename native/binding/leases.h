// Blocks of the ring as JavaScript holds them: external ArrayBuffers, one a lease.
//
// Belongs to JavaScript's thread, as does every function here.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include "core/chunk_queue.h"

namespace ringtap::binding {

class Leases {
 public:
  // `copying`: hand out copies, as is done anyway in embedders that refuse external ArrayBuffers.
  explicit Leases(bool copying) : copying_(copying), held_(std::make_shared<Table>()) {}

  // An ArrayBuffer over the packets of the lease, and the number it is released by. Empty, with an exception pending,
  // where none could be made.
  [[nodiscard]] Napi::Value lend(Napi::Env env, Lease lease, std::uint32_t& number);
  // Detaches the ArrayBuffer: every view on it becomes empty. Then the block goes back. Unknown numbers do nothing.
  void release(Napi::Env env, std::uint32_t number);
  void releaseAll(Napi::Env env);

 private:
  // One block in JavaScript's hands. It ends with release(), or when the garbage collector takes the ArrayBuffer.
  struct Held {
    std::optional<Lease> lease;                 // none where the buffer is a copy
    Napi::Reference<Napi::ArrayBuffer> buffer;  // weak
  };
  using Table = std::unordered_map<std::uint32_t, Held>;
  struct Ticket {
    std::shared_ptr<Table> table;
    std::uint32_t number;
  };

  [[nodiscard]] Napi::Value copy(Napi::Env env, const Lease& lease, Ticket* ticket);
  static void expire(Ticket* ticket);
  void detach(Napi::Env env, Held& held);

  bool copying_;
  std::shared_ptr<Table> held_;
  std::uint32_t last_ = 0;
};

}  // namespace ringtap::binding
