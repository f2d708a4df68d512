#include "binding/block/leases.h"

#include <utility>
#include <vector>

namespace ringtap::binding {

namespace {

// The memory reported to the engine for a released block, in addition to what it really occupies: only garbage
// collection frees its addresses, and a process may have only some 65 000 mappings (vm.max_map_count). With this charge
// V8 collects after about a thousand blocks.
constexpr std::int64_t kRetainedCharge = 64 * 1024;
// While this many released blocks are retained, further blocks are returned only when their ArrayBuffers are collected.
constexpr std::size_t kMaxRetained = 8192;

// structuredClone(buffer, { transfer: [buffer] }); empty if that fails.
js::ArrayBuffer moveBuffer(js::Env env, const js::ArrayBuffer& buffer) {
  napi_value global = nullptr;
  napi_value clone = nullptr;
  napi_value moved = nullptr;
  js::Array transfer = js::Array::New(env, 1);
  transfer.Set(0u, buffer);
  js::Object options = js::Object::New(env);
  options.Set("transfer", transfer);
  napi_value arguments[] = {buffer, options};
  if (napi_get_global(env, &global) != napi_ok ||
      napi_get_named_property(env, global, "structuredClone", &clone) != napi_ok ||
      napi_call_function(env, global, clone, 2, arguments, &moved) != napi_ok) {
    napi_value exception = nullptr;
    (void)napi_get_and_clear_last_exception(env, &exception);
    return {};
  }
  return {env, moved};
}

}  // namespace

void Leases::expire(Ticket* ticket) {
  ticket->table->erase(ticket->number);  // ends the lease if JavaScript did not
  delete ticket;
}

js::Value Leases::copy(js::Env env, const std::byte* block, const BlockSummary& summary, Ticket* ticket) {
  const std::uint32_t slack = slackOf(block, summary);
  const js::ArrayBuffer buffer = js::ArrayBuffer::New(env, lengthOf(summary) - slack);
  const auto gone = [](napi_env, void* data, void*) { expire(static_cast<Ticket*>(data)); };
  if (buffer.IsEmpty() || napi_add_finalizer(env, buffer, ticket, gone, nullptr, nullptr) != napi_ok) {
    delete ticket;
    return {};
  }
  copyCompact(static_cast<std::byte*>(buffer.Data()), block, summary, slack);
  held_->emplace(ticket->number, Held{nullptr, js::Weak(buffer), ticket->retained});
  return buffer;
}

js::Value Leases::lend(js::Env env, std::byte* block, const BlockSummary& summary, std::unique_ptr<Owner> owner,
                       std::uint32_t& number) {
  do ++last_;
  while (last_ == 0 || held_->contains(last_));
  number = last_;
  auto* ticket = new Ticket{held_, number, std::make_shared<Retained>()};
  if (copying_) return copy(env, block, summary, ticket);
  napi_value value = nullptr;
  const napi_status status = napi_create_external_arraybuffer(
      env, block, lengthOf(summary), [](napi_env, void*, void* hint) { expire(static_cast<Ticket*>(hint)); }, ticket,
      &value);
  if (status == napi_no_external_buffers_allowed) {
    copying_ = true;
    return copy(env, block, summary, ticket);
  }
  if (status != napi_ok) {
    delete ticket;
    return {};
  }
  js::ArrayBuffer buffer(env, value);
  held_->emplace(number, Held{std::move(owner), js::Weak(buffer), ticket->retained});
  return buffer;
}

// Returns false if another ArrayBuffer has the memory, or may have it (ArrayBuffer.prototype.transfer): the memory must
// then stay until that ArrayBuffer is gone.
bool Leases::detach(js::Env env, js::ArrayBuffer& buffer, Held& held, bool exposed) {
  if (buffer.IsEmpty() || buffer.IsDetached()) return false;
  if (held.owner || !exposed) return buffer.Detach();
  // A copy is the engine's memory, which a detachment frees. So the memory is moved, and kept in another ArrayBuffer.
  const js::ArrayBuffer moved = moveBuffer(env, buffer);
  if (moved.IsEmpty()) return false;
  held.retained->buffer = js::Persistent(moved);
  return true;
}

// Makes the ArrayBuffer the owner of what readers on other threads may still have the address of.
void Leases::leave(js::Env env, const js::ArrayBuffer& buffer, Held& held) {
  Retained& retained = *held.retained;
  if (held.owner) {
    std::optional<Remains> remains;
    if (*retainedCount_ < kMaxRetained) remains = held.owner->vacate(*deferred_);
    retained.charge = kRetainedCharge;
    if (remains) {
      retained.charge += static_cast<std::int64_t>(remains->bytes);
      retained.memory = std::move(remains->memory);
    } else {
      retained.memory = std::shared_ptr<Owner>(std::move(held.owner));
    }
  }
  ++*retainedCount_;
  retained.count = retainedCount_;
  std::int64_t total = 0;
  if (retained.charge > 0) napi_adjust_external_memory(env, retained.charge, &total);
  auto* kept = new std::shared_ptr<Retained>(held.retained);
  const auto collected = [](napi_env env, void* data, void*) {
    auto* kept = static_cast<std::shared_ptr<Retained>*>(data);
    std::int64_t total = 0;
    if ((*kept)->charge > 0) napi_adjust_external_memory(env, -(*kept)->charge, &total);
    --*(*kept)->count;
    delete kept;
  };
  if (napi_add_finalizer(env, buffer, kept, collected, nullptr, nullptr) == napi_ok) return;
  unwatched_.push_back(std::move(*kept));
  delete kept;
}

// Some engines run the finalizer, which erases the entry, during detach: so the entry leaves the table first.
void Leases::release(js::Env env, std::uint32_t number, bool exposed) {
  auto entry = held_->extract(number);
  if (entry.empty()) return;
  const js::HandleScope scope(env);
  Held& held = entry.mapped();
  js::ArrayBuffer buffer = held.buffer.Value();
  if (!detach(env, buffer, held, exposed)) {
    held_->insert(std::move(entry));
  } else if (exposed) {
    leave(env, buffer, held);
  }
}

void Leases::close(js::Env env) {
  std::vector<std::uint32_t> numbers;
  numbers.reserve(held_->size());
  for (const auto& [number, held] : *held_) numbers.push_back(number);
  for (const std::uint32_t number : numbers) release(env, number, true);
  deferred_->close();
}

}  // namespace ringtap::binding
