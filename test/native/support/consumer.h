// A consumer of a Capture on its own thread that does what the JavaScript side does: handles events, takes blocks,
// reads their packets and releases them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "core/block/block.h"
#include "core/capture/capture.h"
#include "support/backlog.h"
#include "support/check.h"
#include "support/traffic.h"

namespace support {

// The target of the capture's wake-up callback.
class Bell {
 public:
  void ring() {
    std::lock_guard lock(mutex_);
    rung_ = true;
    changed_.notify_one();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

// Walks a block by its index, as lib/packets/chunk.ts does.
template <typename Visit>
void eachPacket(ringtap::Lease& lease, Visit visit) {
  std::byte* data = lease.lend();
  ringtap::walkIndex(data, lease.taken().summary.packets, visit);
}

struct ConsumerOptions {
  std::function<bool(const ringtap::InterfaceInfo&)> wants = [](const auto&) { return true; };
  std::size_t hold = 0;        // blocks held before the oldest is read and released
  bool holdToTheEnd = false;   // read nothing until the intake has ended
  std::function<void()> pace;  // called before each block
};

class Consumer {
 public:
  using Options = ConsumerOptions;

  // Opens and starts a capture in the test's namespace and starts consuming.
  Consumer(const ringtap::CaptureConfig& config, Options options = {}) : options_(std::move(options)) {
    auto monitor = ringtap::InterfaceMonitor::open();
    CHECK(monitor.ok());
    if (!monitor.ok()) return;
    auto opened = ringtap::Capture::open(config, std::move(*monitor), [this] { bell_.ring(); });
    CHECK(opened.ok());
    if (!opened.ok()) {
      std::fprintf(stderr, "open: %s\n", opened.error().message.c_str());
      return;
    }
    capture_ = std::move(*opened);
    for (const auto& [interface, selected] : capture_->initialInterfaces()) {
      if (!selected) capture_->decide(interface->id(), 0, options_.wants(*interface));
    }
    const auto started = capture_->start();
    CHECK(started.ok());
    if (!started.ok()) std::fprintf(stderr, "start: %s\n", started.error().message.c_str());
    thread_ = std::thread([this] { run(); });
  }
  ~Consumer() { finish(); }

  // Waits until all frames sent so far have arrived, ends the intake, and waits until everything is consumed.
  void finish() {
    if (!thread_.joinable()) return;
    drainBacklog();
    capture_->drain();
    bell_.ring();
    thread_.join();
  }
  // Does not wait for frames in flight: stops the consumer and closes the capture while leases are held.
  void abandon() {
    if (!thread_.joinable()) return;
    abandoned_ = true;
    bell_.ring();
    thread_.join();
  }

  [[nodiscard]] bool running() const { return thread_.joinable(); }
  [[nodiscard]] ringtap::Capture& capture() { return *capture_; }
  std::unique_ptr<ringtap::Capture> takeCapture() { return std::move(capture_); }
  [[nodiscard]] std::deque<ringtap::Lease>& held() { return held_; }
  // Valid after finish().
  [[nodiscard]] const Tally& tally() const { return tally_; }
  [[nodiscard]] std::uint64_t packets() const { return packets_; }
  [[nodiscard]] std::uint64_t faults() const { return faults_; }

 private:
  void run() {
    while (!abandoned_) {
      while (auto fault = capture_->nextFault()) {
        ++faults_;
        std::fprintf(stderr, "fault: %s\n", fault->message.c_str());
      }
      bool decided = false;
      while (auto event = capture_->nextEvent()) {
        using ringtap::InterfaceChange;
        decided = true;
        const auto& booked = event->event;
        if (event->selected) continue;
        if (booked.change != InterfaceChange::Added && booked.change != InterfaceChange::Renamed) continue;
        capture_->decide(booked.current->id(), booked.epoch, options_.wants(*booked.current));
      }
      if (decided) CHECK(capture_->commit().ok());
      std::optional<ringtap::Lease> lease;
      switch (capture_->nextBlock(lease)) {
        case ringtap::ChunkQueue::Next::Block: take(std::move(*lease)); break;
        case ringtap::ChunkQueue::Next::EventsFirst: std::this_thread::yield(); break;
        case ringtap::ChunkQueue::Next::Empty: bell_.wait(); break;
        case ringtap::ChunkQueue::Next::Finished:
          while (!held_.empty()) readOldest();
          return;
      }
    }
  }

  void take(ringtap::Lease lease) {
    if (options_.pace) options_.pace();
    (void)lease.lend();  // from here on JavaScript holds the block's address
    held_.push_back(std::move(lease));
    while (!options_.holdToTheEnd && held_.size() > options_.hold) readOldest();
  }

  void readOldest() {
    eachPacket(held_.front(), [this](const ringtap::Record& record) {
      ++packets_;
      const ringtap::RecordAddress& from = record.from();
      if (const auto stamp = stampOf(record.data(), record.header->tp_snaplen)) {
        tally_.add(static_cast<std::uint32_t>(from.sll_ifindex), from.sll_pkttype == ringtap::kPacketOutgoing, *stamp);
      }
    });
    held_.pop_front();
  }

  Options options_;
  Bell bell_;
  std::unique_ptr<ringtap::Capture> capture_;
  std::thread thread_;
  std::atomic<bool> abandoned_{false};
  std::deque<ringtap::Lease> held_;
  Tally tally_;
  std::uint64_t packets_ = 0;
  std::uint64_t faults_ = 0;
};

}  // namespace support
