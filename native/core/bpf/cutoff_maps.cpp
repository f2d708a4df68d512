#include "core/bpf/cutoff_maps.h"

#include <algorithm>
#include <cerrno>
#include <string>

#include "core/bpf/ebpf.h"

namespace ringtap {

namespace {

constexpr std::uint32_t kMarks = 65536;
constexpr std::uint32_t kFragmented = 4096;  // packets whose fragments are remembered

std::span<const std::uint8_t> bytesOf(const CutoffKey& key) {
  return {reinterpret_cast<const std::uint8_t*>(key.data()), sizeof key};
}

}  // namespace

CutoffKey cutoffKeyOf(const Connection& connection) {
  const ConnectionSet set({&connection, 1});
  CutoffKey key{};
  // Of two keys with equal ports the lesser has the lower address first.
  if (connection.six) std::copy(set.v6().front().begin(), set.v6().front().end(), key.begin());
  else std::copy(set.v4().front().begin(), set.v4().front().end(), key.begin());
  key[kCutoffVersion] = connection.six ? 6 : 4;
  return key;
}

Result<CutoffMaps> CutoffMaps::create(const CutoffOptions& options, std::uint32_t slots) {
  auto array = Slots::create(slots);
  if (!array) return std::move(array.error());
  auto flows = createLruHashMap(sizeof(CutoffKey), sizeof(CutoffFlow), options.flows);
  if (!flows) return std::move(flows.error());
  auto marks = createSparseHashMap(sizeof(CutoffKey), sizeof(CutoffMark), kMarks);
  if (!marks) return std::move(marks.error());
  auto fragments = createLruHashMap(sizeof(FragmentKey), sizeof(CutoffKey), kFragmented);
  if (!fragments) return std::move(fragments.error());
  CutoffMaps maps(std::move(*array));
  maps.flows_ = std::move(*flows);
  maps.marks_ = std::move(*marks);
  maps.fragments_ = std::move(*fragments);
  return maps;
}

Result<> CutoffMaps::mark(const Connection& connection, CutoffMark mark) {
  const CutoffKey key = cutoffKeyOf(connection);
  const int error =
      mark == CutoffMark::Normal ? mapDelete(marks_.get(), bytesOf(key)) : mapUpdate(marks_.get(), bytesOf(key), &mark);
  if (error == 0 || (mark == CutoffMark::Normal && error == ENOENT)) return {};
  if (error == E2BIG) return Error{Code::Option, std::to_string(kMarks) + " connections are marked already"};
  if (error == EPERM) {
    return Error{Code::Permission, "the process may not change eBPF maps any longer (CAP_BPF)", error, "bpf"};
  }
  errno = error;
  return Error::fromErrno("bpf", "a connection could not be marked");
}

}  // namespace ringtap
