#include "core/bpf/connection_maps.h"

#include <linux/bpf.h>

#include <span>
#include <utility>

#include "core/bpf/connection_locator.h"
#include "core/bpf/ebpf.h"
#include "core/bpf/ebpf_assembler.h"
#include "core/bpf/locator_dispatch.h"

namespace ringtap {

using namespace ebpf;

namespace {

constexpr std::int16_t kKept = kConnections;  // saved R0
// M[] is on the stack in ascending order, so the key of a map is there as it is.
constexpr std::int16_t kMapKey = kMemory + 4 * static_cast<int>(kConnectionMemory);

template <std::size_t Words>
Result<> fill(UniqueFd& map, const std::vector<ConnectionKey<Words>>& keys) {
  if (keys.empty()) return {};
  constexpr std::uint32_t keySize = sizeof(ConnectionKey<Words>);
  auto made = createFullHashMap(keySize, sizeof(std::uint32_t), static_cast<std::uint32_t>(keys.size()));
  if (!made) return made.error();
  map = std::move(*made);
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(keys.data()), keys.size() * keySize);
  return mapUpdateAll(map.get(), bytes, keySize, std::vector<std::uint32_t>(keys.size(), 1));
}

std::optional<int> number(const UniqueFd& fd) { return fd ? std::optional<int>(fd.get()) : std::nullopt; }

}  // namespace

Result<ConnectionMaps> ConnectionMaps::create(const ConnectionSet& connections) {
  ConnectionMaps maps;
  if (auto filled = fill(maps.v4_, connections.v4()); !filled) return filled.error();
  if (auto filled = fill(maps.v6_, connections.v6()); !filled) return filled.error();
  return maps;
}

ConnectionMapFds ConnectionMaps::fds() const { return {number(v4_), number(v6_)}; }

Result<> appendConnectionCheck(const ConnectionMapFds& maps, std::uint8_t ordinal, std::vector<bpf_insn>& code,
                               std::vector<std::size_t>& refuse) {
  Assembler out(code);
  std::vector<std::size_t> passed;
  out.store32(kKept, R0);
  if (auto located = appendLocators(connectionLocators(), ordinal, kNoConnection, code); !located) return located;
  for (const auto& [map, result] : {std::pair{maps.v4, kConnection4}, std::pair{maps.v6, kConnection6}}) {
    if (!map) continue;
    const std::size_t other = out.jump32(BPF_JNE, R0, static_cast<std::int32_t>(result));
    out.lookup(*map, kMapKey);
    refuse.push_back(out.jump(BPF_JNE, R0, 0));
    passed.push_back(out.jumpAlways());
    if (!out.land(other)) return tooFar();
  }
  for (const std::size_t from : passed) {
    if (!out.land(from)) return tooFar();
  }
  out.load32(R0, R10, kKept);
  return {};
}

}  // namespace ringtap
