// Applies the verdicts on interfaces in the kernel's socket filter: with eBPF maps if the process may use eBPF, else
// with a classic program that is replaced at each change. Both behave alike, except that only the eBPF mode counts
// packets per interface and refuses duplicates. If every interface has its own socket, the verdicts open and close
// these sockets instead (pcap_table.h).
//
// Keyed by index, because the kernel's program has nothing else of a packet's interface: a verdict applies to whatever
// device has the index now. SelectionTable, which identifies devices by index and generation, calls forget() when a
// device is removed, and assigns the packets that came in between (InterfaceCounts::inherit()).
//
// Not thread-safe: SelectionTable calls it under its lock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/bpf/cbpf_program.h"
#include "core/bpf/connection_set.h"
#include "core/bpf/cutoff.h"
#include "core/bpf/dedupe.h"
#include "core/util/result.h"

namespace ringtap {

// None: every socket is bound to one interface, and no table is needed.
enum class FilterMode { Auto, Ebpf, Classic, None };

// Whether attach() will try eBPF.
[[nodiscard]] bool triesEbpf(FilterMode mode);

// What only the eBPF mode can do.
struct KernelFilterOptions {
  bool dedupe = false;                    // refuse duplicates according to the relations set by relate()
  std::optional<CutoffOptions> cutoff{};  // refuse what is beyond a connection's first packets
};

class KernelFilter {
 public:
  // Attaches the filter to packet sockets, which must stay open while replace() and commit() may be called. Before the
  // first commit(), which follows the verdicts on the interfaces that are known, the sockets may accept either nothing
  // or what the filter accepts, never what it refuses. `acceptUnlisted`: packets of an interface without a
  // verdict are accepted. FilterMode::Auto uses eBPF if that works, else classic; with Ebpf or Classic, failure of that
  // mode is an error. Permission: `cutoff` is set and eBPF is refused.
  //
  // With FilterMode::Auto and without `options` the mode may change later, once, from eBPF to classic: when replace()
  // is refused the use of eBPF, because the process has given up the privilege for it.
  [[nodiscard]] static Result<std::unique_ptr<KernelFilter>> attach(const FilterSpec& spec, bool acceptUnlisted,
                                                                    FilterMode mode, const KernelFilterOptions& options,
                                                                    std::vector<int> sockets);
  virtual ~KernelFilter() = default;

  // Sets the verdict on one interface. It takes effect on return in eBPF mode, with commit() in classic mode.
  virtual void accept(std::uint32_t index, std::uint16_t hardwareType) = 0;
  // Accepts the interface provisionally, until there is a verdict.
  virtual void acceptForNow(std::uint32_t index, std::uint16_t hardwareType) { accept(index, hardwareType); }
  virtual void refuse(std::uint32_t index, std::uint16_t hardwareType) = 0;
  // The interface is not selected, but down: it may be renamed before it is up, so its first packet must be accepted.
  // Implementations that receive nothing before they read the interface's name treat it as refuse().
  virtual void refuseOnceUp(std::uint32_t index, std::uint16_t hardwareType) { accept(index, hardwareType); }
  // Removes the verdict of an index whose device is gone.
  virtual void forget(std::uint32_t index) = 0;
  virtual Result<> commit() = 0;

  // Sets the relation of an interface with a verdict to the others; effective on return. Does nothing without `dedupe`
  // or in classic mode.
  virtual void relate(std::uint32_t index, const DedupeRelation& relation) = 0;
  // Packets refused as duplicates on this interface since attach() or the last forget().
  [[nodiscard]] virtual std::uint64_t duplicates(std::uint32_t index) const = 0;

  // Packets refused on this interface as beyond the cut-off, since attach() or the last forget().
  [[nodiscard]] virtual std::uint64_t beyondCutoff(std::uint32_t) const { return 0; }
  // Packets that only the sampling refused on this interface, since attach() or the last forget(). The classic mode
  // does not count them.
  [[nodiscard]] virtual std::uint64_t sampledOut(std::uint32_t) const { return 0; }

  // See CutoffMaps::mark(). Option: there is no cut-off.
  virtual Result<> mark(const Connection&, CutoffMark) {
    return Error{Code::Option, "the capture was opened without cutoff"};
  }

  // Replaces the user's part, address sets and connections included, atomically for each ring. After an error the old
  // filter is in effect on all rings. Permission: the process may not use eBPF any more, and the classic mode is no
  // substitute.
  virtual Result<> replace(const FilterSpec& spec) = 0;

  // Packets accepted from this interface since attach() or the last forget(); none in classic mode, which does not
  // count, even if packets were counted in eBPF mode before.
  [[nodiscard]] virtual std::optional<std::uint64_t> accepted(std::uint32_t index) const = 0;

  // Whether packets of an interface without a verdict are, or were in an earlier mode, accepted unfiltered: their
  // reader must then apply the filter.
  [[nodiscard]] virtual bool unlistedPassUnfiltered() const = 0;
  // Whether packets of this interface are accepted unfiltered at present, because it has no verdict in the kernel: its
  // device is gone, or there was no room for it.
  [[nodiscard]] virtual bool passesUnfiltered(std::uint32_t) const { return false; }
  [[nodiscard]] virtual FilterMode filterMode() const = 0;
};

}  // namespace ringtap
