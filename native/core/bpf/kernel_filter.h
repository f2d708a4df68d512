// The verdicts on interfaces, as the kernel's socket filter applies them: in eBPF maps where the process may use eBPF,
// else in a classic program that is replaced at each change. Behind this header both behave alike, except that only the
// eBPF mode counts packets per interface. Where every interface has a socket of its own, the verdicts open and close
// those (pcap_table.h).
//
// Not thread-safe: SelectionTable calls it under its lock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/bpf/cbpf_program.h"
#include "core/bpf/dedupe.h"
#include "core/util/result.h"

namespace ringtap {

// None: every socket is of one interface, and no table is needed.
enum class FilterMode { Auto, Ebpf, Classic, None };

// Whether attach() will try eBPF.
[[nodiscard]] bool triesEbpf(FilterMode mode);

class KernelFilter {
 public:
  // Attaches the filter to packet sockets, which must not receive yet and stay open as long as replace() and commit()
  // may be called. `acceptUnlisted`: packets of an interface without a verdict pass. FilterMode::Auto takes eBPF if
  // that works, else classic; Ebpf and Classic are taken or fail. `dedupe`: refuse duplicates, as far as relate() says
  // how devices stand to each other; only the eBPF mode does.
  [[nodiscard]] static Result<std::unique_ptr<KernelFilter>> attach(const FilterSpec& spec, bool acceptUnlisted,
                                                                    FilterMode mode, bool dedupe,
                                                                    std::vector<int> sockets);
  virtual ~KernelFilter() = default;

  // The verdict on one interface: in force when this returns in the eBPF mode, with commit() in the classic one.
  virtual void accept(std::uint32_t index, std::uint16_t hardwareType) = 0;
  // Accepted until there is a verdict.
  virtual void acceptForNow(std::uint32_t index, std::uint16_t hardwareType) { accept(index, hardwareType); }
  virtual void refuse(std::uint32_t index, std::uint16_t hardwareType) = 0;
  // Not selected, but down: it may get another name before it is up and receives its first packet, so that packet has
  // to pass. Where nothing passes before the name is read, the same as refuse().
  virtual void refuseOnceUp(std::uint32_t index, std::uint16_t hardwareType) { accept(index, hardwareType); }
  // No verdict any more: for an index whose device is gone.
  virtual void forget(std::uint32_t index) = 0;
  virtual Result<> commit() = 0;

  // How an interface with a verdict stands to the others: in force when this returns. Nothing without `dedupe`, and in
  // the classic mode.
  virtual void relate(std::uint32_t index, const DedupeRelation& relation) = 0;
  // Refused as duplicates on this interface since attach() or the last forget().
  [[nodiscard]] virtual std::uint64_t duplicates(std::uint32_t index) const = 0;

  // Replaces the user's part, address sets included, atomically for each ring. After an error the old one is in force
  // everywhere.
  virtual Result<> replace(const FilterSpec& spec) = 0;

  // Packets accepted from this interface since attach() or the last forget(); none in the classic mode,
  // which does not count.
  [[nodiscard]] virtual std::optional<std::uint64_t> accepted(std::uint32_t index) const = 0;

  // Packets of an interface without a verdict pass without the user's filter: whoever reads them must apply it.
  [[nodiscard]] virtual bool unlistedPassUnfiltered() const = 0;
  [[nodiscard]] virtual FilterMode filterMode() const = 0;
};

}  // namespace ringtap
