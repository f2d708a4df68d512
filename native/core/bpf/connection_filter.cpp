#include "core/bpf/connection_filter.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "core/bpf/connection_locator.h"
#include "core/bpf/connection_program.h"
#include "core/filter/filter_interpreter.h"

namespace ringtap {

namespace {

Result<std::vector<Connection>> parse(const ConnectionList& list) {
  std::vector<Connection> connections;
  if (list.text.empty()) return connections;
  const auto count = static_cast<std::size_t>(std::count(list.text.begin(), list.text.end(), '\n')) + 1;
  if (count > kMaxConnections) {
    return Error{.code = Code::Option,
                 .message = list.label + " must have at most " + std::to_string(kMaxConnections) + " entries; got " +
                            std::to_string(count),
                 .option = list.label};
  }
  connections.reserve(count);
  std::string_view rest = list.text;
  for (;;) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    auto connection = parseConnection(rest.substr(0, end));
    if (!connection) {
      const std::string where = list.label + "[" + std::to_string(connections.size()) + "]";
      return Error{
          .code = Code::Option, .message = where + " is no connection: " + connection.error().message, .option = where};
    }
    connections.push_back(*connection);
    if (end == rest.size()) return connections;
    rest.remove_prefix(end + 1);
  }
}

std::size_t keyCount(const ConnectionSet& set) { return set.v4().size() + set.v6().size(); }

// How many connections fit into at most `room` instructions.
std::size_t connectionsThatFit(const ConnectionSet& set, std::size_t room) {
  std::size_t fits = 0, tooMany = std::min(keyCount(set), room) + 1;  // a key takes more than one instruction
  while (fits + 1 < tooMany) {
    const std::size_t count = fits + (tooMany - fits) / 2;
    if (assembleConnections(set.firstKeys(count)).size() <= room) fits = count;
    else tooMany = count;
  }
  return set.firstKeys(fits).size();
}

template <std::size_t Words>
bool holds(const std::vector<ConnectionKey<Words>>& keys, const FilterMemory& memory) {
  ConnectionKey<Words> key;
  std::copy_n(memory.begin() + kConnectionMemory, Words, key.begin());
  return std::binary_search(keys.begin(), keys.end(), key);
}

}  // namespace

ConnectionFilter::ConnectionFilter(ConnectionSet connections, bool maps, std::string option)
    : connections_(std::move(connections)),
      option_(std::move(option)),
      maps_(maps ? ConnectionMaps::create(connections_) : Error{Code::System, "the kernel maps were not asked for"}) {
  if (keyCount(connections_) <= kMaxFilterInstructions) classic_ = assembleConnections(connections_);
}

Result<std::shared_ptr<const ConnectionFilter>> ConnectionFilter::create(const ConnectionList& list, bool maps) {
  auto connections = parse(list);
  if (!connections) return std::move(connections.error());
  ConnectionSet set(*connections);
  if (set.empty()) return std::shared_ptr<const ConnectionFilter>();
  return std::shared_ptr<const ConnectionFilter>(std::make_shared<ConnectionFilter>(std::move(set), maps, list.label));
}

Result<std::span<const FilterInstruction>> ConnectionFilter::classic(std::size_t room) const {
  if (classic_ && classic_->size() <= room) return std::span<const FilterInstruction>(*classic_);
  return Error{.code = Code::FilterTooLarge,
               .message = "excludeConnections has " + std::to_string(connections_.size()) +
                          " connections, and a classic BPF program, of which the kernel takes " +
                          std::to_string(kMaxFilterInstructions) + " instructions, has room for " +
                          std::to_string(connectionsThatFit(connections_, room)) +
                          " of them beside the rest of the filter. With CAP_BPF (or as root) they are kept in kernel " +
                          "maps, up to " + std::to_string(kMaxConnections),
               .option = option_};
}

Result<ConnectionMapFds> ConnectionFilter::maps() const {
  if (!maps_.ok()) return maps_.error();
  return maps_.value().fds();
}

bool ConnectionFilter::accepts(std::uint16_t linkType, std::span<const std::uint8_t> bytes,
                               std::uint32_t originalLength) const {
  const ConnectionLocator* locator = connectionLocatorFor(linkType);
  if (locator == nullptr) return true;
  FilterMemory memory;
  switch (runFilter(locator->program, bytes, originalLength, {}, memory)) {
    case kConnection4: return !holds(connections_.v4(), memory);
    case kConnection6: return !holds(connections_.v6(), memory);
    case kNoConnection:
    case kLaterFragment4:
    case kLaterFragment6: return true;
    default: return false;
  }
}

}  // namespace ringtap
