// SISKIN_TRY for code that sees the engine's public API alone: unwrap a Result or return its error to the caller.
#pragma once

#include <siskin/result.h>

#include <utility>

#define SISKIN_TRY_CONCAT_(a, b) a##b
#define SISKIN_TRY_NAME_(line) SISKIN_TRY_CONCAT_(siskin_try_, line)

// SISKIN_TRY(auto x, compute());  declares x from the value, or returns the error.
#define SISKIN_TRY(declaration, expression)                                              \
  auto SISKIN_TRY_NAME_(__LINE__) = (expression);                                        \
  if (!SISKIN_TRY_NAME_(__LINE__)) return std::move(SISKIN_TRY_NAME_(__LINE__)).error(); \
  declaration = *std::move(SISKIN_TRY_NAME_(__LINE__))

// SISKIN_TRY_STATUS(write());  returns the error of a Status, if any.
#define SISKIN_TRY_STATUS(expression)                                    \
  do {                                                                   \
    auto siskin_try_status = (expression);                               \
    if (!siskin_try_status) return std::move(siskin_try_status).error(); \
  } while (false)
