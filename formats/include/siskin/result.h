// Result<T> and Error: how everything here reports a user's mistake. Broken invariants abort instead (formats/check.h).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace siskin {

enum class ErrorCode {
  invalid_argument,  // the caller asked for something that cannot be
  not_found,         // a file, a tensor, a key, an ISA that is not there
  unsupported,       // well-formed, but not built yet (an architecture, a tensor type)
  corrupt_file,      // a file that contradicts itself
  io,                // the operating system refused
  out_of_memory,     // would need more memory than there is; nothing was allocated
  cancelled,         // the caller's callback asked to stop
};

struct Error {
  ErrorCode code;
  std::string message;  // one line: what, where, expected, got
};

// Either a value or an Error. REQUIRES: value() and operator* only after a check that it holds a value.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  explicit operator bool() const { return !error_.has_value(); }
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace siskin
