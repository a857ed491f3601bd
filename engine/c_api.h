// What the two halves of the C API share: its handle of a model, how errors are kept, how a caller's struct is read.
#pragma once

#include <cstddef>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>

#include <siskin/model.h>
#include <siskin/result.h>
#include <siskin/siskin.h>

struct siskin_model {
  std::shared_ptr<const siskin::Model> model;
  siskin_info info;  // its strings are the model's
};

namespace siskin::c_api {

// Keeps the message for siskin_error_message() of this thread and returns the status.
siskin_status report(siskin_status status, const char* message) noexcept;
siskin_status report(const Error& error) noexcept;

inline Error invalid(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

// Runs the body of a C function, a callable that returns a Status: no exception leaves it.
template <class Body>
siskin_status guarded(Body&& body) noexcept {
  try {
    const Status status = body();
    return status ? SISKIN_OK : report(status.error());
  } catch (const std::bad_alloc&) {
    return report(SISKIN_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& exception) {
    return report(SISKIN_INTERNAL, exception.what());
  } catch (...) {
    return report(SISKIN_INTERNAL, "an exception that is no std::exception");
  }
}

// Copies a caller's struct over `defaults` as far as its size says. What it has beyond ours must be zero: a newer program that
// asks for nothing that this library does not know.
template <class T>
Result<T> read_struct(const T* from, T defaults, const char* name) {
  constexpr size_t kMost = 4096;  // larger is no struct of ours but a size that was never set
  const size_t size = from->size;
  if (size < sizeof(size_t) || size > kMost) {
    return invalid(std::string(name) + ": size " + std::to_string(size) + ", expected sizeof(" + name + "), " +
                   std::to_string(sizeof(T)));
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(from);
  for (size_t i = sizeof(T); i < size; ++i) {
    if (bytes[i] != 0) return invalid(std::string(name) + ": sets members that this version does not know");
  }
  std::memcpy(&defaults, from, size < sizeof(T) ? size : sizeof(T));
  return defaults;
}

}  // namespace siskin::c_api
