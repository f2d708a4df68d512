// Which interfaces a capture through libpcap is to be on, and its handle for each.
//
// Thread-safe. Verdicts come from any thread, through the KernelFilter that filter() returns; the handles are opened
// and closed by the loop (pcap_loop.h) when it calls follow(), since that takes its time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
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
  // `memory`: bytes of the buffers of all interfaces' handles together. `onChange` is called where follow() has
  // something to do.
  PcapTable(const PcapSettings& settings, const FilterSpec& spec, std::size_t memory, std::function<void()> onChange);

  // Opens what is no network interface; it counts as wanted once the verdict says so. As PcapSource::open().
  Result<> openDevice(const std::string& name);
  [[nodiscard]] std::vector<InterfaceInfo> devices() const;
  // Of all handles.
  [[nodiscard]] std::vector<std::uint16_t> linkTypes() const;

  // What takes the verdicts. `acceptUnlisted`: interfaces will come of which nothing is known yet.
  [[nodiscard]] std::unique_ptr<KernelFilter> filter(bool acceptUnlisted);
  Result<> setPromiscuous(std::uint32_t index, bool on);
  // From here on nothing is accepted, and no handle opened.
  Result<> refuseAll();

  // The loop's.
  struct Change {
    std::vector<std::shared_ptr<PcapSource>> opened;
    std::vector<std::shared_ptr<PcapSource>> ending;  // accept nothing any more; to be read to their end, then closed
    // For each selected interface, once: why it has no handle, or the warning of the one it has.
    std::vector<Error> failures;
    std::vector<Error> warnings;
  };
  // Opens what is wanted and ends what is not. An interface that is down, or gone by now, waits for its next event. In
  // the capture's network namespace.
  Change follow();
  // An ending handle has been read to its end.
  void close(const std::shared_ptr<PcapSource>& source);
  // A handle that cannot be read any more. It ends; the next event of the interface opens another.
  void abandon(const std::shared_ptr<PcapSource>& source);
  void closeAll();

  [[nodiscard]] PcapStatistics statistics();  // of all handles there were
  [[nodiscard]] std::uint32_t handles() const;
  [[nodiscard]] std::size_t memoryUsed() const;

 private:
  class Filter;
  using Source = std::shared_ptr<PcapSource>;

  struct Entry {
    bool wanted = false;
    bool decided = false;  // and not only for now
    bool promiscuous = false;
    bool starved = false;     // of memory: it waits for some
    bool attempt = false;     // to be opened at the next follow()
    bool complained = false;  // about this interface
    // Reported once it is selected; see Change.
    std::vector<Error> failures;
    std::vector<Error> warnings;
    Source source;
    std::uint64_t receivedBefore = 0;  // by handles that were closed
  };
  struct Ending {
    Source source;
    bool known = true;  // the interface is the one that the entry is about
    bool told = false;  // to the loop
  };

  void want(std::uint32_t index, bool decided);
  void unwant(std::uint32_t index);
  void forget(std::uint32_t index);
  Result<> replace(const FilterSpec& spec);
  [[nodiscard]] std::uint64_t accepted(std::uint32_t index);

  [[nodiscard]] std::optional<std::uint32_t> nextAttempt();
  // Null where it is down or gone.
  Result<Source> open(std::uint32_t index);
  Result<Source> openInterface(std::uint32_t index);
  // The bytes; none while all is used up: tried again when some is free.
  [[nodiscard]] std::optional<std::size_t> takeMemory(std::uint32_t index);
  void refund(std::uint32_t index);
  void releaseMemory();
  [[nodiscard]] bool memoryMayReturn() const;
  [[nodiscard]] Error starvation(std::uint32_t index) const;
  // False where the handle is not wanted any more.
  Result<bool> install(std::uint32_t index, const Source& source);
  // A warning where the filter cannot be put for its link type.
  Result<std::optional<Error>> compileFor(const PcapSource& source);
  void end(Entry& entry, bool known);

  const PcapSettings settings_;
  const std::function<void()> onChange_;
  mutable std::mutex mutex_;
  FilterSpec spec_;
  MemoryShares memory_;
  bool closed_ = false;
  std::map<std::uint32_t, Entry> entries_;
  std::vector<Source> devices_;
  std::vector<Ending> ending_;
  bool planned_ = false;
  bool moreWillCome_ = false;
  PcapStatistics closedSum_;
};

}  // namespace ringtap
