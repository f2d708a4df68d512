// Errors are values in the core: no exception crosses its border.
#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace ringtap {

// The stable codes of CaptureError (lib/errors.ts spells them ERR_…; binding/errors.cpp maps them).
enum class Code {
  System,          // a system call failed for a reason of no class of its own
  Permission,      // the process lacks a privilege
  NoInterface,     // no interface of that name or index
  FilterSyntax,    // libpcap refused the expression
  FilterTooLarge,  // more instructions than the kernel takes
  Pattern,         // regcomp refused the pattern
  Option,          // an option's value cannot be honoured
  Closed,          // the handle is closed
  FileFormat,      // not a savefile, or of a kind that is not read
  FileDamaged,     // a savefile whose content contradicts itself
  FileTruncated,   // a savefile that ends in the middle of something
};

struct Error {
  Code code = Code::System;
  std::string message;         // for people; complete without the other fields
  int number = 0;              // errno, 0 where none applies
  const char* syscall = "";    // a string literal, "" where none applies
  std::string interface = {};  // the interface concerned, "" where none
  std::string option = {};     // the option or argument that is wrong, "" where that is for the caller to say
  std::int64_t offset = -1;    // the place in a file, in bytes from its start, -1 where none applies

  // Takes errno first of all, before anything else can change it.
  [[nodiscard]] static Error fromErrno(const char* syscall, std::string message = {}, Code code = Code::System);
};

struct Unit {};

template <typename T = Unit>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  Result() requires std::is_same_v<T, Unit> : state_(std::in_place_index<0>) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Only after ok(). get_if keeps the compiler from emitting a throw where -fno-exceptions forbids one.
  T& value() { return *std::get_if<0>(&state_); }
  const T& value() const { return *std::get_if<0>(&state_); }
  T* operator->() { return &value(); }
  T& operator*() { return value(); }
  Error& error() { return *std::get_if<1>(&state_); }
  const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

}  // namespace ringtap
