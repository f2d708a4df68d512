// The interfaces that a capture through libpcap selects, and the handle of each.
//
// Thread-safe. Verdicts come from any thread, through the KernelFilter that filter() returns; the loop (pcap_loop.h)
// opens and closes the handles by calling follow(), since that takes milliseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/bpf/cbpf_program.h"
#include "core/bpf/kernel_filter.h"
#include "core/capture/pcap/pcap_source.h"
#include "core/links/interface_info.h"
#include "core/util/memory_shares.h"
#include "core/util/result.h"

namespace ringtap {

class PcapTable : public std::enable_shared_from_this<PcapTable> {
 public:
  // `memory`: bytes for the buffers of all interfaces' handles. `onChange` is called when follow() must be called.
  PcapTable(const PcapSettings& settings, const FilterSpec& spec, std::size_t memory, std::function<void()> onChange);

  // Opens a device that is no network interface; a verdict selects it like any other. Errors as PcapSource::open().
  Result<> openDevice(const std::string& name);
  [[nodiscard]] std::vector<InterfaceInfo> devices() const;
  // The link types of all handles.
  [[nodiscard]] std::vector<std::uint16_t> linkTypes() const;

  // The KernelFilter that takes the verdicts. `moreWillCome`: more interfaces may be selected later than now, so memory
  // is reserved for them.
  [[nodiscard]] std::unique_ptr<KernelFilter> filter(bool moreWillCome);
  Result<> setPromiscuous(std::uint32_t index, bool on);
  // Accepts no packet and opens no handle from now on.
  Result<> refuseAll();

  // For the loop.
  struct Change {
    std::vector<std::shared_ptr<PcapSource>> opened;
    std::vector<std::shared_ptr<PcapSource>> ending;  // accept nothing more; read to their end, then close()
    // For each selected interface, once: why it has no handle, or the warning of its handle.
    std::vector<Error> failures;
    std::vector<Error> warnings;
  };
  // Opens the handles of selected interfaces and ends those of others. For an interface that is down or gone, the next
  // attempt is at its next event. Call it in the capture's network namespace.
  Change follow();
  // Closes an ending handle that has been read to its end.
  void close(const std::shared_ptr<PcapSource>& source);
  // Ends a handle that cannot be read any more; the next event of the interface opens another.
  void abandon(const std::shared_ptr<PcapSource>& source);
  void closeAll();

  [[nodiscard]] PcapStatistics statistics();  // of all handles, closed ones included
  [[nodiscard]] std::uint32_t handles() const;
  [[nodiscard]] std::size_t memoryUsed() const;

 private:
  class Filter;
  using Source = std::shared_ptr<PcapSource>;

  struct Entry {
    bool wanted = false;
    bool decided = false;  // the verdict is final, not provisional
    bool promiscuous = false;
    bool starved = false;   // waits for memory
    bool attempt = false;   // open it at the next follow()
    bool reported = false;  // failures or warnings of this interface were reported
    // Reported once the interface is selected; see Change.
    std::vector<Error> failures;
    std::vector<Error> warnings;
    Source source;
    std::uint64_t receivedBefore = 0;  // by handles that are closed
  };
  struct Ending {
    Source source;
    bool known = true;      // the entry is still for this handle's interface
    bool reported = false;  // the loop has received it in Change::ending
  };

  void want(std::uint32_t index, bool decided);
  void unwant(std::uint32_t index);
  void forget(std::uint32_t index);
  Result<> replace(const FilterSpec& spec);
  [[nodiscard]] std::uint64_t accepted(std::uint32_t index);

  [[nodiscard]] std::optional<std::uint32_t> nextAttempt();
  // Null if the interface is down or gone.
  Result<Source> open(std::uint32_t index);
  Result<Source> openInterface(std::uint32_t index);
  // Returns the bytes; none while all memory is used up: the attempt is repeated when some is released.
  [[nodiscard]] std::optional<std::size_t> takeMemory(std::uint32_t index);
  void refund(std::uint32_t index);
  void releaseMemory();
  [[nodiscard]] bool memoryMayReturn() const;
  [[nodiscard]] Error starvation(std::uint32_t index) const;
  // Returns false if the handle is not wanted any more.
  Result<bool> install(std::uint32_t index, const Source& source);
  // Compiles the filter for the handle's link type, unless that was done before.
  Result<> compileFor(const PcapSource& source);
  // Adds a warning if the filter is refused for the handle's link type, once for each link type.
  void reportRefusal(const PcapSource& source, std::vector<Error>& into);
  void end(Entry& entry, bool known);

  const PcapSettings settings_;
  const std::function<void()> onChange_;
  // Taken before mutex_, and held while a promiscuous membership changes: that waits for the kernel's RTNL lock, and
  // accepted() and statistics(), which need mutex_, must not.
  std::mutex membershipMutex_;
  mutable std::mutex mutex_;
  FilterSpec spec_;
  std::set<std::uint16_t> refusalsReported_;  // link types that spec_ is refused for
  MemoryShares memory_;
  bool closed_ = false;
  // By index, as the verdicts (kernel_filter.h): forget() ends the entry with its device. A handle stays on the device
  // that it was opened on; `Ending` holds those of earlier devices of an index.
  std::map<std::uint32_t, Entry> entries_;
  std::vector<Source> devices_;
  std::vector<Ending> ending_;
  bool planned_ = false;
  bool moreWillCome_ = false;
  PcapStatistics closedSum_;
};

}  // namespace ringtap
