#include "core/bpf/address_filter.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "core/bpf/address_locator.h"
#include "core/bpf/address_program.h"
#include "core/filter/filter_interpreter.h"

namespace ringtap {

namespace {

// Formats a string for an error message, as lib/errors.ts does: quoted, on one line, shortened between characters.
std::string shown(std::string_view text) {
  constexpr std::size_t limit = 57;
  std::string out = "\"";
  std::size_t length = std::min(text.size(), limit);
  while (length < text.size() && length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
  for (const char c : text.substr(0, length)) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? ' ' : c;
  }
  return out + (length < text.size() ? "\"…" : "\"");
}

Result<std::vector<Prefix>> parse(const AddressLists::List& list) {
  std::vector<Prefix> prefixes;
  if (list.text.empty()) return prefixes;
  const auto count = static_cast<std::size_t>(std::count(list.text.begin(), list.text.end(), '\n')) + 1;
  if (count > kMaxAddresses) {
    return Error{.code = Code::Option,
                 .message = list.label + " must have at most " + std::to_string(kMaxAddresses) + " entries; got " +
                            std::to_string(count),
                 .option = list.label};
  }
  prefixes.reserve(count);
  std::string_view rest = list.text;
  for (;;) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view entry = rest.substr(0, end);
    auto prefix = parsePrefix(entry);
    if (!prefix) {
      const std::string where = list.label + (count == 1 ? "" : "[" + std::to_string(prefixes.size()) + "]");
      return Error{.code = Code::Option,
                   .message = where + " must be an IPv4 or IPv6 address or prefix; got the string " + shown(entry) +
                              ": " + prefix.error().message,
                   .option = where};
    }
    prefixes.push_back(*prefix);
    if (end == rest.size()) return prefixes;
    rest.remove_prefix(end + 1);
  }
}

template <typename Bits>
std::uint8_t flagsAt(const AddressSet::Family<Bits>& family, const std::uint8_t* bytes) {
  Bits address = 0;
  for (std::size_t i = 0; i < sizeof(Bits); ++i) address = static_cast<Bits>(address << 8 | bytes[i]);
  return family.flagsOf(address);
}

std::size_t rangeCount(const AddressSet& addresses) {
  return addresses.v4().ranges.size() + addresses.v6().ranges.size();
}

}  // namespace

AddressFilter::AddressFilter(AddressSet addresses, bool maps, std::string option)
    : addresses_(std::move(addresses)),
      option_(std::move(option)),
      maps_(maps ? AddressMaps::create(addresses_) : Error{Code::System, "the kernel maps were not asked for"}) {
  // A range takes at least one instruction.
  if (rangeCount(addresses_) <= kMaxFilterInstructions) classic_ = assembleAddresses(addresses_);
}

Result<std::shared_ptr<const AddressFilter>> AddressFilter::create(const AddressLists& lists, bool maps) {
  auto exclude = parse(lists.exclude);
  if (!exclude) return exclude.error();
  auto include = parse(lists.include);
  if (!include) return include.error();
  AddressSet addresses(*exclude, *include);
  if (addresses.empty()) return std::shared_ptr<const AddressFilter>();
  const std::string& option = exclude.value().empty() ? lists.include.label : lists.exclude.label;
  return std::shared_ptr<const AddressFilter>(std::make_shared<AddressFilter>(std::move(addresses), maps, option));
}

Result<std::span<const FilterInstruction>> AddressFilter::classic(std::size_t room) const {
  if (classic_ && classic_->size() <= room) return std::span<const FilterInstruction>(*classic_);
  return Error{
      .code = Code::FilterTooLarge,
      .message =
          "excludeHosts and includeHosts have " + std::to_string(rangeCount(addresses_)) +
          " addresses and prefixes (neighbours counted as one), and a classic BPF program, of which the kernel "
          "takes " +
          std::to_string(kMaxFilterInstructions) + " instructions, has room for " +
          std::to_string(addressesThatFit(addresses_, room)) +
          " of them beside the rest of the filter. With CAP_BPF (or as root) they are kept in kernel maps, up to " +
          std::to_string(kMaxAddresses) + " of each",
      .option = option_};
}

Result<AddressMapFds> AddressFilter::maps() const {
  if (!maps_.ok()) return maps_.error();
  return maps_.value().fds();
}

bool AddressFilter::accepts(std::uint16_t linkType, std::span<const std::uint8_t> bytes,
                            std::uint32_t originalLength) const {
  const Locator* locator = locatorFor(linkType);
  const std::uint32_t located = locator == nullptr ? kNoAddresses : runFilter(locator->program, bytes, originalLength);
  if (located == kNoAddresses) return addresses_.passes(0);
  const std::uint32_t kind = located & kAddressesKind;
  const std::size_t first = located >> 2;
  const std::size_t size = kind == kAddressesIp6 ? 16 : 4;
  if (located == 0 || first + kAddressStep[kind] + size > bytes.size()) return false;
  std::uint8_t flags = 0;
  for (const std::size_t at : {first, first + kAddressStep[kind]}) {
    const std::uint8_t* address = bytes.data() + at;
    flags |= kind == kAddressesIp6 ? flagsAt(addresses_.v6(), address) : flagsAt(addresses_.v4(), address);
  }
  return addresses_.passes(flags);
}

}  // namespace ringtap
