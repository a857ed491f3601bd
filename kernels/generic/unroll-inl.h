// SISKIN_UNROLL: unroll the next loop completely, so that arrays indexed by its counter live in registers.
// SISKIN_NO_UNROLL: keep the next loop a loop.
#pragma once

#if defined(__clang__)
#define SISKIN_UNROLL _Pragma("clang loop unroll(full)")
#define SISKIN_NO_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define SISKIN_UNROLL _Pragma("GCC unroll 64")
#define SISKIN_NO_UNROLL _Pragma("GCC unroll 1")
#endif
