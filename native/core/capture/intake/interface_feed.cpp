#include "core/capture/intake/interface_feed.h"

namespace ringtap {

void InterfaceFeed::publish(const std::vector<InterfaceEvent>& events) {
  if (overflows_.exchange(monitor_.overflows()) != monitor_.overflows()) listener_.resynced();
  if (events.empty()) return;
  const Moment now = listener_.now();
  // The book first: a block taken after apply() belongs to the new epoch.
  std::vector<BookedEvent> booked = book_.enter(events, now);
  const auto applied = table_.apply(booked, now);
  if (listener_.decided) listener_.decided(booked.back().epoch);
  for (std::size_t i = 0; i < booked.size(); ++i) {
    queue_.push(QueuedEvent{std::move(booked[i]), applied[i].selected});
  }
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
  using enum InterfaceBook::Presence;
  const auto before = book_.presence(index);
  std::vector<InterfaceEvent> events;
  if (before == Present) {
    if (book_.latest(index)->isUp()) return;  // another ring's loop was faster
    if (auto read = monitor_.read(events); !read) queue_.push(std::move(read.error()));
    publish(events);
    return;
  }
  auto asked = monitor_.query(index, events);  // reads waiting notifications first, most likely with this event
  bool known = (before == Gone && table_.knows(index)) || (asked && *asked && monitor_.interfaces().contains(index));
  for (const InterfaceEvent& event : events) known = known || event.current.index == index;
  if (!known) {
    // The device was added and removed between two reads. Its packets are assigned to a nameless device.
    InterfaceEvent nameless;
    nameless.change = InterfaceChange::Added;
    nameless.current.index = index;
    events.push_back(std::move(nameless));
  }
  publish(events);
}

}  // namespace ringtap
