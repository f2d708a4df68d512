// Source of generated test data: a random generator, or a fuzzer's input bytes, which then steer the generation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace support {

class Choices {
 public:
  explicit Choices(std::uint32_t seed) : random_(seed) {}
  // Once the bytes are used up, every further choice is 0.
  Choices(const std::uint8_t* data, std::size_t size) : data_(data), size_(size), fuzzed_(true) {}

  std::uint32_t any() {
    if (!fuzzed_) return static_cast<std::uint32_t>(random_());
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | byte();
    return value;
  }
  // Returns 0 to bound - 1.
  std::uint32_t below(std::uint32_t bound) {
    if (!fuzzed_) return static_cast<std::uint32_t>(random_() % bound);
    return (bound <= 256 ? byte() : bound <= 65536 ? std::uint32_t{byte()} << 8 | byte() : any()) % bound;
  }
  bool oneIn(std::uint32_t count) { return below(count) == 0; }
  // Favours small values, so that compared values are sometimes equal.
  std::uint32_t value() { return oneIn(4) ? any() : below(40); }
  std::vector<std::uint8_t> bytes(std::size_t length) {
    std::vector<std::uint8_t> made(length);
    for (auto& each : made) each = static_cast<std::uint8_t>(oneIn(3) ? below(256) : below(8));
    return made;
  }
  // Always false for a random generator.
  [[nodiscard]] bool spent() const { return fuzzed_ && at_ >= size_; }

 private:
  std::uint8_t byte() { return at_ < size_ ? data_[at_++] : std::uint8_t{0}; }

  std::mt19937 random_;
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t at_ = 0;
  bool fuzzed_ = false;
};

}  // namespace support
