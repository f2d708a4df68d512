// The core returns errors as values; it throws no exceptions.
#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace ringtap {

// The stable codes of CaptureError (lib/errors.ts spells them ERR_…; binding/util/errors.cpp maps them).
enum class Code {
  System,          // a system call failed, and no other code applies
  Permission,      // the process lacks a privilege
  NoInterface,     // no interface has that name or index
  FilterSyntax,    // libpcap refused the expression
  FilterTooLarge,  // more instructions than the kernel accepts
  Pattern,         // regcomp refused the pattern
  Option,          // an option has an invalid or unsupported value
  Closed,          // the handle is closed
  FileFormat,      // not a savefile, or of an unsupported format
  FileDamaged,     // a savefile with inconsistent content
  FileTruncated,   // a savefile that ends within a header, block or record
};

struct Error {
  Code code = Code::System;
  std::string message;         // for people; complete without the other fields
  int number = 0;              // errno, 0 where none applies
  const char* syscall = "";    // a string literal, "" where none applies
  std::string interface = {};  // the interface concerned, "" where none
  std::string option = {};     // the wrong option or argument, "" if the caller has to fill it in
  std::int64_t offset = -1;    // the position in a file, in bytes from its start, -1 where none applies

  // Reads errno first, before any other call can change it.
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

  // Only if ok(). get_if instead of get, so that no throw is emitted, which -fno-exceptions forbids.
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
