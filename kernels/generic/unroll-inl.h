// SISKIN_UNROLL: unroll the next loop completely, so that arrays indexed by its counter live in registers.
#pragma once

#if defined(__clang__)
#define SISKIN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SISKIN_UNROLL _Pragma("GCC unroll 64")
#endif
