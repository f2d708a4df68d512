#include "binding/block/leases.h"

namespace ringtap::binding {

namespace {

// Up to the end of the last packet, in whole 64-bit words: lib/packets/chunk.ts reads the block through typed arrays.
std::size_t lengthOf(const BlockSummary& summary) { return (std::size_t{summary.length} + 7) / 8 * 8; }

}  // namespace

void Leases::expire(Ticket* ticket) {
  ticket->table->erase(ticket->number);  // ends the lease where JavaScript forgot to
  delete ticket;
}

Napi::Value Leases::copy(Napi::Env env, const std::byte* block, const BlockSummary& summary, Ticket* ticket) {
  const std::uint32_t slack = slackOf(block, summary);
  const Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, lengthOf(summary) - slack);
  const auto gone = [](napi_env, void* data, void*) { expire(static_cast<Ticket*>(data)); };
  if (buffer.IsEmpty() || napi_add_finalizer(env, buffer, ticket, gone, nullptr, nullptr) != napi_ok) {
    delete ticket;
    return {};
  }
  copyCompact(static_cast<std::byte*>(buffer.Data()), block, summary, slack);
  held_->emplace(ticket->number, Held{nullptr, Napi::Weak(buffer)});
  return buffer;
}

Napi::Value Leases::lend(Napi::Env env, Lease lease, std::uint32_t& number) {
  std::byte* block = lease.lend();  // from here on its length stands
  const BlockSummary summary = lease.taken().summary;
  return lend(env, block, summary, std::make_shared<Lease>(std::move(lease)), number);
}

Napi::Value Leases::lend(Napi::Env env, std::byte* block, const BlockSummary& summary, Owner owner,
                         std::uint32_t& number) {
  do ++last_;
  while (last_ == 0 || held_->contains(last_));
  number = last_;
  auto* ticket = new Ticket{held_, number};
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
  Napi::ArrayBuffer buffer(env, value);
  held_->emplace(number, Held{std::move(owner), Napi::Weak(buffer)});
  return buffer;
}

void Leases::detach(Napi::Env env, Held& held) {
  const Napi::HandleScope scope(env);
  Napi::ArrayBuffer buffer = held.buffer.Value();
  if (!buffer.IsEmpty()) buffer.Detach();
}

void Leases::release(Napi::Env env, std::uint32_t number) {
  const auto found = held_->find(number);
  if (found == held_->end()) return;
  detach(env, found->second);
  held_->erase(found);
}

void Leases::releaseAll(Napi::Env env) {
  for (auto& [number, held] : *held_) detach(env, held);
  held_->clear();
}

}  // namespace ringtap::binding
