// A recorder without a capture.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/capture/intake/block_outlet.h"
#include "core/ledger/copied_block.h"
#include "core/record/file_target.h"
#include "core/record/flight_memory.h"
#include "core/record/recorder.h"
#include "support/blocks.h"
#include "support/check.h"
#include "support/folder.h"
#include "support/no_kernel.h"

namespace support {

using namespace ringtap;

inline InterfaceInfo device(std::uint32_t index) {
  InterfaceInfo info;
  info.index = index;
  info.generation = index;
  info.name = "eth" + std::to_string(index);
  info.hardwareType = 1;  // ARPHRD_ETHER
  info.flags = kInterfaceUp;
  return info;
}

// Replaces the capture: eth1 is decided, other devices are undecided until decide().
struct Bench {
  explicit Bench(RecordingForm form, std::shared_ptr<RecordingTarget> target = nullptr,
                 std::shared_ptr<OwnerSource> owners = nullptr)
      : table({}, true), queue([] {}), outlet(queue, table) {
    table.use(std::make_unique<NoKernel>(), [] { return RingPosition{}; });
    (void)table.add(book.add(device(1)));
    (void)table.decide({1, 1}, 0, true, {});
    if (!target) {
      auto files = FileTarget::open({.path = folder.file("%i.pcapng")});
      CHECK(files.ok());
      target = *files;
    }
    RecorderOptions options{std::move(form), ""};
    options.owners = std::move(owners);
    recorder = std::make_shared<Recorder>(std::move(options), std::move(target));
  }
  ~Bench() {
    letGo();
    recorder->finish(true);
    recorder->join();
  }

  void start() {
    CHECK(recorder
              ->prepare({table, book,
                         [this] {
                           std::unique_lock lock(mutex);
                           if (held) ++waiting;
                           changed.notify_all();
                           changed.wait(lock, [this] { return !held; });
                           return losses;
                         },
                         [](const std::string&) { return std::uint64_t{0}; },
                         [this](const Recorder& one) {
                           outlet.detach(one);
                           detached = true;
                         },
                         [] {}})
              .ok());
    outlet.attach(recorder, !recorder->lasting());
    recorder->start();
  }
  // From here on the recorder's thread blocks at the end of a file, as on a stalled disk.
  void hold() {
    std::lock_guard lock(mutex);
    held = true;
  }
  void awaitHeld() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return waiting > 0; });
  }
  void letGo() {
    std::lock_guard lock(mutex);
    held = false;
    changed.notify_all();
  }

  // Pushes a block of packets of one device.
  void push(std::uint32_t index, std::size_t packets) {
    std::vector<MadeRecord> records(packets);
    for (MadeRecord& record : records) record.index = index;
    push(records);
  }
  void push(const std::vector<MadeRecord>& records) {
    auto block = support::Block::of(records);
    auto memory = BlockMemory::take(overflow, block.size());
    CHECK(memory.has_value());
    std::memcpy(memory->data(), block.data(), block.size());
    TakenBlock taken = table.take(memory->data(), block.size(), {0, ++blocks}, [this](std::uint32_t index) {
      const Moment now{1, {1000}};
      (void)table.apply(book.enter({InterfaceEvent{InterfaceChange::Added, device(index), {}}}, now), now);
    });
    outlet.push(std::make_shared<CopiedBlock>(std::move(*memory), std::move(taken)));
  }

  // Starts the recorder that keeps the newest packets. It is never held.
  std::shared_ptr<Recorder> fly(const std::shared_ptr<FlightMemory>& memory) {
    RecorderOptions options;
    options.secondary = true;
    auto flight = std::make_shared<Recorder>(std::move(options), memory);
    CHECK(flight
              ->prepare({table, book, [] { return Losses{.byDevice = true}; },
                         [](const std::string&) { return std::uint64_t{0}; },
                         [this](const Recorder& one) { outlet.detach(one); }, [] {}})
              .ok());
    outlet.attachSecondary(flight);
    flight->start();
    return flight;
  }

  SelectionTable table;
  InterfaceBook book;
  ChunkQueue queue;
  BlockOutlet outlet;
  std::shared_ptr<OverflowMemory> overflow = std::make_shared<OverflowMemory>(1 << 20);
  Folder folder;
  std::uint64_t blocks = 0;
  std::atomic<bool> detached{false};
  std::mutex mutex;
  std::condition_variable changed;
  bool held = false;
  int waiting = 0;
  Losses losses{.byDevice = true};  // returned to the recorder
  std::shared_ptr<Recorder> recorder;
};

}  // namespace support
