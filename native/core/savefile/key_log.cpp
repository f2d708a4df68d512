#include "core/savefile/key_log.h"

#include <algorithm>
#include <cstring>

#include "core/savefile/savefile_format.h"

namespace ringtap {

std::vector<std::uint8_t> keyLogBlock(std::span<const std::uint8_t> lines) {
  const savefile::DecryptionSecretsBody head{savefile::kTlsKeyLog, static_cast<std::uint32_t>(lines.size())};
  std::vector<std::uint8_t> body(sizeof head + savefile::padded(lines.size()));
  std::memcpy(body.data(), &head, sizeof head);
  std::copy(lines.begin(), lines.end(), body.begin() + sizeof head);
  return body;
}

void KeptKeyLog::add(std::span<const std::uint8_t> lines) {
  lines_.insert(lines_.end(), lines.begin(), lines.end());
  if (lines_.size() <= limit_) return;
  // A quarter more than is needed: the rest is moved once for many lines.
  const auto end = lines_.end() - static_cast<std::ptrdiff_t>(limit_ - limit_ / 4);
  const auto line = std::find(end - 1, lines_.end(), std::uint8_t{'\n'});
  lines_.erase(lines_.begin(), line == lines_.end() ? line : line + 1);
}

}  // namespace ringtap
