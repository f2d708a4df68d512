// Command-line parsing shared by the test programs.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tools/frame.h"

namespace arguments {

// Reports a usage error: prints what is wrong and the usage, and exits with code 2.
[[noreturn]] inline void wrong(const std::string& what, const char* usage) {
  std::fprintf(stderr, "%s\n\n%s", what.c_str(), usage);
  std::exit(2);
}

// Parses an integer, decimal or 0x…, of at most `max`.
inline std::uint64_t wholeNumber(std::string_view option, std::string_view text, std::uint64_t max, const char* usage) {
  const bool hexadecimal = text.starts_with("0x");
  const std::string_view digits = hexadecimal ? text.substr(2) : text;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, hexadecimal ? 16 : 10);
  if (error != std::errc{} || end != digits.data() + digits.size() || digits.empty() || value > max) {
    wrong(std::string(option) + " must be a whole number of at most " + std::to_string(max) + "; got \"" +
              std::string(text) + "\"",
          usage);
  }
  return value;
}

inline frames::Mac mac(std::string_view option, const std::string& text, const char* usage) {
  unsigned bytes[6];
  char rest = 0;
  if (text.size() != 17 || std::sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%c", &bytes[0], &bytes[1], &bytes[2],
                                       &bytes[3], &bytes[4], &bytes[5], &rest) != 6) {
    wrong(std::string(option) + " must look like 02:00:00:00:00:01; got \"" + text + "\"", usage);
  }
  frames::Mac result{};
  for (std::size_t i = 0; i < 6; i++) result[i] = static_cast<std::uint8_t>(bytes[i]);
  return result;
}

inline void checkShape(const frames::Shape& shape, const char* usage) {
  if (shape.raw && shape.vlan) wrong("--raw and --vlan exclude each other", usage);
  if (shape.size < frames::minimumSize(shape) || shape.size > frames::maximumSize) {
    wrong("--size must be from " + std::to_string(frames::minimumSize(shape)) + " to " +
              std::to_string(frames::maximumSize) + " for these frames; got " + std::to_string(shape.size),
          usage);
  }
  if (shape.flows == 0 || shape.port + shape.flows - 1 > 65535) {
    wrong("--flows must be at least 1 and leave --port + --flows - 1 within 65535", usage);
  }
}

}  // namespace arguments
