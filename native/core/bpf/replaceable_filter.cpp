#include "core/bpf/replaceable_filter.h"

#include <utility>
#include <vector>

#include "core/bpf/attach.h"
#include "core/bpf/ebpf.h"
#include "core/bpf/ebpf_assembler.h"

namespace ringtap {

namespace {

using namespace ebpf;

// R1 has the packet, which the call passes on. It returns only if the array is empty.
std::vector<bpf_insn> stubOf(int programs) {
  std::vector<bpf_insn> code;
  Assembler out(code);
  out.map(R2, programs);
  out.set(R3, 0);
  out.call(BPF_FUNC_tail_call);
  out.set(R0, 0);
  out.exit();
  return code;
}

Result<> install(int programs, const UniqueFd& program) {
  const int fd = program.get();
  if (mapUpdate(programs, 0, &fd)) return {};
  return Error::fromErrno("bpf", "the eBPF socket filter could not be put in force");
}

}  // namespace

Result<ReplaceableFilter> ReplaceableFilter::create(std::span<const bpf_insn> program) {
  auto programs = createProgramArray(1);
  if (!programs) return std::move(programs.error());
  auto stub = loadSocketFilter(stubOf(programs->get()));
  if (!stub) return std::move(stub.error());
  auto first = loadSocketFilter(program);
  if (!first) return std::move(first.error());
  // Whether the array takes it is known now, while the caller has a choice.
  if (auto taken = install(programs->get(), *first); !taken) return std::move(taken.error());
  (void)mapDelete(programs->get(), std::uint32_t{0});
  return ReplaceableFilter(std::move(*programs), std::move(*stub), std::move(*first));
}

Result<> ReplaceableFilter::attach(int socket) const { return attachFilter(socket, stub_.get()); }

Result<> ReplaceableFilter::begin() {
  if (!first_) return {};
  if (auto installed = install(programs_.get(), first_); !installed) return installed;
  first_.reset();
  return {};
}

Result<> ReplaceableFilter::replace(std::span<const bpf_insn> program) {
  auto next = loadSocketFilter(program);
  if (!next) return std::move(next.error());
  if (auto installed = install(programs_.get(), *next); !installed) return installed;
  first_.reset();
  return {};
}

}  // namespace ringtap
