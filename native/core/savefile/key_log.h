// TLS secrets in pcapng: decryption secrets blocks, each with lines of a key log in NSS's format. Wireshark decrypts
// with them the packets behind the block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ringtap {

// The body of a block; `lines` were checked (lib/savefile/key-log.ts).
[[nodiscard]] std::vector<std::uint8_t> keyLogBlock(std::span<const std::uint8_t> lines);

// The newest lines, for files that begin later: at most `limit` bytes, whole lines.
class KeptKeyLog {
 public:
  explicit KeptKeyLog(std::size_t limit) : limit_(limit) {}
  void add(std::span<const std::uint8_t> lines);
  [[nodiscard]] std::span<const std::uint8_t> lines() const { return lines_; }

 private:
  const std::size_t limit_;
  std::vector<std::uint8_t> lines_;
};

}  // namespace ringtap
