#include "binding/block/leases.h"

#include <cerrno>
#include <new>
#include <vector>

#include "binding/util/errors.h"

namespace ringtap::binding {

namespace {

// In bytes, up to the end of the last packet rounded up to 64 bits: lib/packets/chunk.ts reads the block through typed
// arrays.
std::size_t lengthOf(const BlockSummary& summary) { return (std::size_t{summary.length} + 7) / 8 * 8; }

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
  held_->emplace(ticket->number, Held{nullptr, js::Weak(buffer)});
  return buffer;
}

// JavaScript can write to the memory it gets. A recorder that reads the same block, now or later, must not see such
// writes nor trust an index that may change while it reads; so JavaScript gets a copy.
js::Value Leases::lendCopy(js::Env env, Lease lease, std::uint32_t& number) {
  std::shared_ptr<std::byte[]> copy;
  BlockSummary summary;
  lease.read([&](const std::byte* content, const TakenBlock& taken) {
    const std::uint32_t slack = slackOf(content, taken.summary);
    copy.reset(new (std::nothrow) std::byte[lengthOf(taken.summary) - slack]);
    if (!copy) return;
    copyCompact(copy.get(), content, taken.summary, slack);
    summary = taken.summary;
    summary.length -= slack;
  });
  if (!copy) {
    throwError(env, Error{.message = "no memory for a chunk", .number = ENOMEM, .syscall = "malloc"});
    return {};
  }
  return lend(env, copy.get(), summary, copy, number);
}

js::Value Leases::lend(js::Env env, Lease lease, std::uint32_t& number) {
  if (!copying_ && lease.block().leases() > 1) return lendCopy(env, std::move(lease), number);
  std::byte* block = lease.lend();  // the content's length is fixed from here on
  const BlockSummary summary = lease.taken().summary;
  return lend(env, block, summary, std::make_shared<Lease>(std::move(lease)), number);
}

js::Value Leases::lend(js::Env env, std::byte* block, const BlockSummary& summary, Owner owner, std::uint32_t& number) {
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
  js::ArrayBuffer buffer(env, value);
  held_->emplace(number, Held{std::move(owner), js::Weak(buffer)});
  return buffer;
}

// Returns false if another ArrayBuffer has the memory, or may have it (ArrayBuffer.prototype.transfer): the memory must
// then stay until that ArrayBuffer is gone.
bool Leases::detach(js::Env env, const Held& held) {
  const js::HandleScope scope(env);
  js::ArrayBuffer buffer = held.buffer.Value();
  return !buffer.IsEmpty() && !buffer.IsDetached() && buffer.Detach();
}

// Some engines run the finalizer, which erases the entry, during detach: so the entry leaves the table first.
void Leases::release(js::Env env, std::uint32_t number) {
  auto entry = held_->extract(number);
  if (entry.empty() || detach(env, entry.mapped())) return;
  held_->insert(std::move(entry));
}

void Leases::releaseAll(js::Env env) {
  std::vector<std::uint32_t> numbers;
  numbers.reserve(held_->size());
  for (const auto& [number, held] : *held_) numbers.push_back(number);
  for (const std::uint32_t number : numbers) release(env, number);
}

}  // namespace ringtap::binding
