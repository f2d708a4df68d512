// The thread that reads all libpcap handles of a capture and copies their packets into blocks.
//
// The blocks are overflow memory. While that is used up, nothing is read: the handles' own buffers fill, and packets
// dropped there are counted as droppedByOverflow.
//
// The handle of a new interface is opened when its netlink event is read, so the interface's first packets are lost.
// After an interface was down, packets are lost until the event that it is up is read. A rename loses none.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/capture/intake/drain_watch.h"
#include "core/capture/intake/intake.h"
#include "core/capture/pcap/pcap_options.h"
#include "core/capture/pcap/pcap_source.h"
#include "core/capture/pcap/pcap_table.h"
#include "core/ledger/copied_block.h"
#include "core/ledger/drop_causes.h"
#include "core/linux/loop_thread.h"
#include "core/linux/netns.h"
#include "core/util/rounds.h"

namespace ringtap {

// Bytes of a block. The overflow memory must hold two blocks; the largest packet fits into one.
inline constexpr std::size_t kPcapBlockSize = 512 * 1024;

class PcapLoop final : public Intake, private PacketSink {
 public:
  // Opens the devices in `options.names` that are not network interfaces.
  [[nodiscard]] static Result<std::unique_ptr<PcapLoop>> open(const PcapOptions& options, const FilterSpec& spec,
                                                              const IntakeContext& context,
                                                              std::function<void()> onDrained);
  ~PcapLoop() override;

  [[nodiscard]] std::vector<InterfaceInfo> devices() const override { return table_->devices(); }
  [[nodiscard]] std::vector<std::uint16_t> linkTypes() const override { return table_->linkTypes(); }
  Result<std::unique_ptr<KernelFilter>> attach(const FilterSpec& spec, bool acceptUnlisted) override;
  // Returns once a handle is open on every selected interface that is up, or the error if one could not be opened.
  Result<> begin() override;
  Result<> refuseAll() override { return table_->refuseAll(); }
  void drain() override;
  void stop() override { thread_.stop(); }
  void shut() override;
  void nudge() override { thread_.nudge(); }
  void awaitRoom() override;
  Result<> setPromiscuous(std::uint32_t interface, bool on) override { return table_->setPromiscuous(interface, on); }
  [[nodiscard]] RingPosition ringPosition() const override;
  [[nodiscard]] std::vector<std::uint64_t> entered() const override;
  [[nodiscard]] std::vector<std::uint64_t> taken() const override { return {packetsTaken_}; }
  [[nodiscard]] LoopStats stats() override;
  [[nodiscard]] IntakeSize size() const override;

 private:
  using Clock = std::chrono::steady_clock;

  // An open handle.
  struct Active {
    std::shared_ptr<PcapSource> source;
    std::uint64_t tag = 0;
    bool ready = true;                        // may have packets
    std::optional<Clock::time_point> ending;  // when it began to end; its last packets may still be in the kernel
  };
  // A block that is being filled.
  struct Filling {
    BlockMemory memory;
    BlockFiller filler;
    explicit Filling(BlockMemory&& bytes) : memory(std::move(bytes)), filler(memory.data(), memory.size()) {}
  };

  PcapLoop(const PcapOptions& options, const FilterSpec& spec, const IntakeContext& context,
           std::function<void()> onDrained);

  void run();
  [[nodiscard]] int timeout() const;
  void wait();
  void readEvents();
  [[nodiscard]] std::vector<Error> follow();  // returns why interfaces have no handle
  void add(std::shared_ptr<PcapSource> source);
  void readAll();
  void readOne(Active& active);
  [[nodiscard]] std::optional<BlockMemory> takeMemory();
  [[nodiscard]] bool makeRoom();
  void reportRoom();
  bool put(const RecordHead& head, const FilledPacket& packet, std::span<const std::uint8_t> tail) override;
  void handOver(std::unique_ptr<Filling>& block);
  void handOverIfDue();
  void endHandles();
  void lookForDrain();

  const PcapOptions options_;
  const std::chrono::milliseconds hold_;  // how long a part-filled block is held for more packets
  IntakeContext context_;
  std::function<void()> onDrained_;
  std::shared_ptr<PcapTable> table_;
  std::optional<Namespace> namespace_;
  LoopThread thread_;
  Rounds rounds_;

  // The result of the first round, for begin().
  std::mutex beginMutex_;
  std::condition_variable beginCondition_;
  std::optional<Result<>> begun_;

  // Used by the loop's thread only.
  std::vector<Active> active_;
  std::uint64_t lastTag_ = 0;
  std::unique_ptr<Filling> current_;
  std::unique_ptr<Filling> spare_;  // for a packet that does not fit into the current one
  std::unique_ptr<Filling> full_;
  std::optional<Clock::time_point> filledSince_;
  Clock::time_point lastBlock_{};  // when a block was last handed over
  bool starved_ = false;
  std::uint64_t round_ = 0;        // the last request for a round seen
  std::uint32_t roundsSince_ = 0;  // since then
  bool netlinkReady_ = false;
  DrainWatch drain_;
  bool drained_ = false;

  std::atomic<std::uint64_t> blocksTaken_{0};
  std::atomic<std::uint64_t> packetsTaken_{0};
  std::atomic<bool> draining_{false};
  DropCauses dropCauses_;
};

}  // namespace ringtap
