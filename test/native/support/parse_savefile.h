// Parses a savefile in memory, in pieces as the reader's thread receives them, and keeps the result.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/savefile/savefile_parser.h"

namespace support {

struct ParsedPacket {
  std::uint32_t interface;
  std::uint16_t linkType;
  std::uint8_t packetType;
  std::uint32_t original;
  std::uint64_t timestamp;
  std::vector<std::uint8_t> bytes;
  std::vector<std::uint8_t> options;  // as laid out by kStatusOptions
  bool operator==(const ParsedPacket&) const = default;
};

struct Parsed {
  std::vector<ParsedPacket> packets;
  std::vector<ringtap::FileSection> sections;
  std::vector<ringtap::FileInterface> interfaces;
  std::vector<ringtap::FileBlock> blocks;
  ringtap::ParserStats stats;
  std::vector<std::string> warnings;
  std::optional<ringtap::Error> error;
  std::uint64_t maxAsked = 0;  // largest piece requested, bytes
  bool lost = false;           // the parser violated its contract
};

struct ParseOptions {
  std::size_t piece = 1 << 20;
  std::size_t blockSize = 16384;
  bool keep = true;
  std::uint32_t snapshotLength = 262144;
  ringtap::InterfaceRule rule = {};
};

class Collecting final : public ringtap::SavefileListener {
 public:
  Collecting(Parsed& parsed, const ParseOptions& options) : parsed_(parsed), options_(options) {}
  ringtap::Result<> section(ringtap::FileSection section) override {
    parsed_.sections.push_back(std::move(section));
    return {};
  }
  ringtap::Result<ringtap::InterfaceRule> interface(ringtap::FileInterface interface) override {
    parsed_.interfaces.push_back(std::move(interface));
    return options_.rule;
  }
  bool wanted(std::uint32_t, std::size_t bytes, std::uint64_t) override {
    return options_.keep && bytes + 12 <= options_.blockSize + 4096;
  }
  ringtap::Result<> block(ringtap::FileBlock block) override {
    parsed_.blocks.push_back(std::move(block));
    return {};
  }
  void warning(std::string text) override { parsed_.warnings.push_back(std::move(text)); }

 private:
  Parsed& parsed_;
  const ParseOptions& options_;
};

inline void readOut(std::byte* memory, const ringtap::BlockSummary& summary, std::size_t size, Parsed& parsed) {
  std::uint64_t bytes = 0;
  if (summary.length > size) parsed.lost = true;
  ringtap::walkIndex(memory, summary.packets, [&](ringtap::Record& record) {
    const auto& header = *record.header;
    const std::size_t end = record.offset + header.tp_mac + header.tp_snaplen;
    if (record.offset % 8 != 0 || end > summary.length) {
      parsed.lost = true;
      return;
    }
    ParsedPacket packet{static_cast<std::uint32_t>(record.from().sll_ifindex),
                        record.ownLinkType().value_or(0xffff),
                        record.from().sll_pkttype,
                        header.tp_len,
                        0,
                        {record.data(), record.data() + header.tp_snaplen},
                        {}};
    std::memcpy(&packet.timestamp, header.tp_padding, sizeof packet.timestamp);
    if ((header.tp_status & ringtap::kStatusOptions) != 0) {
      const auto* start = reinterpret_cast<const std::uint8_t*>(memory) + (end + 3) / 4 * 4;
      const auto* at = start + 4;
      std::uint32_t count;
      std::memcpy(&count, start, sizeof count);
      for (; count > 0; --count) {
        std::uint32_t length;
        std::memcpy(&length, at, sizeof length);
        at += 4 + ((length & 0xffff) + 3) / 4 * 4;
      }
      packet.options.assign(start, at);
      if (at > reinterpret_cast<const std::uint8_t*>(memory) + summary.length) parsed.lost = true;
    }
    bytes += header.tp_snaplen;
    parsed.packets.push_back(std::move(packet));
  });
  if (bytes != summary.bytes) parsed.lost = true;
}

inline Parsed parseInPieces(const std::vector<std::uint8_t>& file, const ParseOptions& options = {}) {
  using namespace ringtap;
  Parsed parsed;
  Collecting listener(parsed, options);
  ParserLimits limits;
  limits.packet = BlockFiller::capacity(options.blockSize);
  limits.item = options.blockSize + 4096;
  limits.snapshotLength = options.snapshotLength;
  auto made = parserFor({file.data(), std::min<std::size_t>(file.size(), 8)}, limits, listener);
  if (!made) {
    parsed.error = made.error();
    return parsed;
  }
  SavefileParser& parser = **made;
  const std::unique_ptr<std::uint64_t[]> memory(new std::uint64_t[options.blockSize / 8]);
  auto* block = reinterpret_cast<std::byte*>(memory.get());
  BlockFiller filler;
  std::size_t at = 0;     // bytes of the file parsed so far
  std::size_t there = 0;  // bytes of the file available so far
  for (bool ended = false; !ended && !parsed.error && !parsed.lost;) {
    // An exact-size copy of the available bytes, so that AddressSanitizer detects a read past the end.
    const std::vector<std::uint8_t> bytes(file.begin() + static_cast<std::ptrdiff_t>(at),
                                          file.begin() + static_cast<std::ptrdiff_t>(there));
    std::size_t consumed = 0;
    auto step = parser.parse(bytes, filler, consumed);
    if (consumed > bytes.size()) parsed.lost = true;
    at += consumed;
    if (!step) {
      parsed.error = step.error();
      break;
    }
    const auto stop = [&](std::uint64_t left) {
      if (auto good = parser.end(left); !good) parsed.error = good.error();
      ended = true;
    };
    switch (step->why) {
      case ParseStep::Why::Full:
        if (filler.empty() && parsed.stats.packets == 1) parsed.error = Error{Code::FileDamaged, "too large"};
        parsed.stats.packets = filler.empty() ? 1 : 0;  // an empty block twice in a row would repeat forever
        readOut(block, filler.summary(), options.blockSize, parsed);
        filler = BlockFiller(block, options.blockSize);
        break;
      case ParseStep::Why::Skip:
        if (step->amount > file.size() - at) stop(file.size() - at);
        at = std::min<std::uint64_t>(file.size(), at + step->amount);
        there = std::max(there, at);
        break;
      case ParseStep::Why::More:
        parsed.maxAsked = std::max(parsed.maxAsked, step->amount);
        if (step->amount <= bytes.size() - consumed || step->amount > limits.item) parsed.lost = true;
        if (there == file.size()) stop(there - at);
        there = std::min(file.size(), there + options.piece);
        break;
    }
  }
  readOut(block, filler.summary(), options.blockSize, parsed);
  parsed.stats = parser.stats();
  return parsed;
}

}  // namespace support
