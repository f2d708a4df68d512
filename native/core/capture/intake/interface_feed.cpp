#include "core/capture/intake/interface_feed.h"

#include "core/util/clock.h"

namespace ringtap {

void InterfaceFeed::publish(std::vector<InterfaceEvent>& events) {
  if (overflows_.exchange(monitor_.overflows()) != monitor_.overflows()) listener_.resynced();
  if (events.empty()) return;
  std::uint64_t epoch = table_.epoch();
  const std::uint64_t time = realNow();
  // First: a block taken after apply() is of the new epoch.
  for (std::size_t i = 0; i < events.size(); ++i) history_.record(events[i], epoch + 1 + i, time);
  table_.apply(events, time, listener_.ringPosition());
  for (InterfaceEvent& event : events) queue_.push(QueuedEvent{++epoch, time, std::move(event)});
}

bool InterfaceFeed::read() {
  std::lock_guard lock(mutex_);
  if (queue_.crowded()) {
    paused_ = true;
    return false;
  }
  std::vector<InterfaceEvent> events;
  if (auto read = monitor_.read(events); !read) queue_.push(std::move(read.error()));
  publish(events);
  return true;
}

void InterfaceFeed::learn(std::uint32_t index) {
  std::lock_guard lock(mutex_);
  using enum SelectionTable::Presence;
  const auto before = table_.presence(index);
  if (before == Present) return;  // another ring's loop was faster
  std::vector<InterfaceEvent> events;
  auto asked = monitor_.query(index, events);  // reads what waits first: most likely the news is there
  bool known = before == Gone || (asked && *asked && monitor_.interfaces().contains(index));
  for (const InterfaceEvent& event : events) known = known || event.current.index == index;
  if (!known) {
    // It came and went between two looks. Its packets are real: they are judged as those of a nameless device.
    InterfaceEvent nameless;
    nameless.change = InterfaceChange::Added;
    nameless.current.index = index;
    events.push_back(std::move(nameless));
  }
  publish(events);
}

}  // namespace ringtap
