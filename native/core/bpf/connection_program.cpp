#include "core/bpf/connection_program.h"

#include <linux/filter.h>

#include <utility>
#include <vector>

#include "core/bpf/address_locator.h"
#include "core/bpf/cbpf_writer.h"
#include "core/bpf/connection_locator.h"
#include "core/bpf/search_tree.h"

namespace ringtap {

namespace {

using search_tree::Code;
using search_tree::kNeutral;
using search_tree::kRefused;
using search_tree::Test;

template <std::size_t Words>
using Keys = std::span<const ConnectionKey<Words>>;

// The search among keys that are equal in all words before the `level`th. There is at least one key.
template <std::size_t Words>
Code search(Keys<Words> keys, std::size_t level) {
  std::vector<Test> tests;
  for (std::size_t from = 0; from < keys.size();) {
    const std::uint32_t word = keys[from][level];
    std::size_t to = from + 1;
    while (to < keys.size() && keys[to][level] == word) ++to;
    const bool last = level + 1 == Words;
    tests.push_back({word, word, last ? kRefused : kNeutral,
                     last ? Code{} : search<Words>(keys.subspan(from, to - from), level + 1)});
    from = to;
  }
  Code code;
  code.op(BPF_LD | BPF_MEM, kConnectionMemory + static_cast<std::uint32_t>(level));
  Code tree = search_tree::treeOf(tests);
  code.closed = tree.closed;
  code.append(tree);
  return code;
}

template <std::size_t Words>
void writeSearch(CbpfWriter& out, const std::vector<ConnectionKey<Words>>& keys, CbpfWriter::Label pass) {
  if (keys.empty()) {
    out.go(pass);
    return;
  }
  Code code = search<Words>(keys, 0);
  code.close();
  const std::size_t start = out.size();
  out.append(code.code);
  for (const Code::Leave& each : code.leaves) out.aim(start + each.from, pass);
}

}  // namespace

FilterProgram assembleConnections(const ConnectionSet& connections) {
  CbpfWriter out;
  const auto found4 = out.label(), found6 = out.label(), pass = out.label();
  appendLocators(out);
  appendConnectionKey(out, {found4, found6, pass, pass, pass});
  // IPv6 first: to the kernel's check that words of M[] are stored before they are read, execution continues behind
  // `ret` (net/core/filter.c, check_load_and_stores), and the key of IPv4 has fewer words.
  out.land(found6);
  writeSearch(out, connections.v6(), pass);
  out.land(found4);
  writeSearch(out, connections.v4(), pass);
  out.land(pass);
  return out.finish();
}

}  // namespace ringtap
