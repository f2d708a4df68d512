// Feeds arbitrary bytes to the interface table as rtnetlink messages: the events it emits must agree with its contents.
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <map>
#include <utility>
#include <vector>

#include "core/links/interface_table.h"
#include "core/links/netlink_parse.h"
#include "fuzz.h"

using namespace ringtap;

namespace {

// The interfaces as a listener reconstructs them from the events alone.
class Picture {
 public:
  void apply(const std::vector<InterfaceEvent>& events) {
    for (const InterfaceEvent& event : events) {
      const std::uint32_t index = event.current.index;
      const auto at = known_.find(index);
      switch (event.change) {
        case InterfaceChange::Added:
          EXPECT(at == known_.end() && event.current.generation > newest_);
          newest_ = event.current.generation;
          known_[index] = event.current;
          break;
        case InterfaceChange::Removed:
          EXPECT(at != known_.end() && at->second == event.current);
          known_.erase(at);
          break;
        case InterfaceChange::Renamed:
        case InterfaceChange::Changed:
          EXPECT(at != known_.end() && at->second == event.previous && event.previous != event.current);
          EXPECT((event.change == InterfaceChange::Renamed) == (event.previous.name != event.current.name));
          EXPECT(event.previous.generation == event.current.generation);
          at->second = event.current;
          break;
      }
    }
  }
  [[nodiscard]] const std::map<std::uint32_t, InterfaceInfo>& known() const { return known_; }

 private:
  std::map<std::uint32_t, InterfaceInfo> known_;
  std::uint32_t newest_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // An exact-size heap copy, so that AddressSanitizer detects a read past the end.
  const std::vector<std::uint8_t> bytes(data, data + size);
  netlink::Bytes rest = bytes;
  InterfaceTable table;
  Picture picture;
  std::vector<InterfaceInfo> dumped;
  std::vector<netlink::AddressMessage> addresses;
  while (const auto message = netlink::nextMessage(rest)) {
    std::vector<InterfaceEvent> events;
    (void)netlink::parseStatus(message->payload);
    (void)netlink::parseLinkStatistics(message->payload);
    (void)netlink::parseNamespaceId(message->payload);
    const auto link = netlink::parseLink(message->payload);
    const auto address = netlink::parseAddress(message->payload);
    switch (message->type) {
      case RTM_NEWLINK:
        if (!link) break;
        (void)table.wantsPeer(link->info);
        if ((message->flags & NLM_F_MULTI) != 0) dumped.push_back(link->info);
        else table.link(link->info, events, link->losses);
        break;
      case RTM_DELLINK:
        if (const auto gone = netlink::parseLinkRemoval(message->payload)) {
          table.linkGone(gone->index, events, gone->losses);
        }
        break;
      case RTM_NEWADDR:
        if (!address) break;
        if ((message->flags & NLM_F_MULTI) != 0) addresses.push_back(*address);
        else table.address(*address, events);
        break;
      case RTM_DELADDR:
        if (address) table.addressGone(*address, events);
        break;
      case NLMSG_DONE: table.replace(std::exchange(dumped, {}), std::exchange(addresses, {}), events); break;
      case NLMSG_NOOP:
        for (const std::uint32_t index : table.takeDoubts()) table.peer(index, index ^ 1, -1, events);
        break;
    }
    picture.apply(events);
    EXPECT(picture.known() == table.interfaces());
  }
  return 0;
}
