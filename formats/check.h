// SISKIN_CHECK: a broken invariant of our own aborts with its place; a user's mistake is a Result, never this.
#pragma once

namespace siskin {

// Writes "siskin: file:line: broken invariant: what" to file descriptor 2 and aborts.
[[noreturn]] void broken_invariant(const char* file, int line, const char* what) noexcept;

}  // namespace siskin

#define SISKIN_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::siskin::broken_invariant(__FILE__, __LINE__, #condition))
