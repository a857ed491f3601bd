// 16 lanes in plain C++, for unpacking weights to bf16 on any CPU (generic/bf16_unpack-inl.h says what lanes offer).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "formats/blocks/fp8.h"
#include "formats/blocks/half.h"

namespace {

struct LanesPlain {
  struct F {
    float lane[16];
  };
  struct I {
    uint32_t lane[16];
  };

  template <class Fn>
  static F each(Fn fn) {
    F out;
    for (size_t i = 0; i < 16; ++i) out.lane[i] = fn(i);
    return out;
  }

  static F zero() { return broadcast(0.0f); }
  static F broadcast(float x) {
    return each([x](size_t) { return x; });
  }
  static F mul(const F& a, const F& b) {
    return each([&](size_t i) { return a.lane[i] * b.lane[i]; });
  }
  static F sub(const F& a, const F& b) {
    return each([&](size_t i) { return a.lane[i] - b.lane[i]; });
  }
  static F fma(const F& a, const F& b, const F& c) {
    return each([&](size_t i) { return std::fma(a.lane[i], b.lane[i], c.lane[i]); });
  }
  static F load_f32(const std::byte* p) {
    F out;
    __builtin_memcpy(&out, p, sizeof(out));
    return out;
  }
  static F load_f16(const std::byte* p) {
    uint16_t halves[16];
    __builtin_memcpy(halves, p, sizeof(halves));
    return each([&](size_t i) { return siskin::f32_from_f16(halves[i]); });
  }
  static F load_fp8(const std::byte* p, size_t j) {
    return each([=](size_t i) { return siskin::f32_from_e4m3(std::to_integer<uint8_t>(p[i * 2 + j])) * 0x1p-8f; });
  }
  static I load_codes(const std::byte* p) {
    I out;
    __builtin_memcpy(&out, p, sizeof(out));
    return out;
  }
  static void store(std::byte* p, const I& a) { __builtin_memcpy(p, &a, sizeof(a)); }
  static I shift_right(I a, size_t bits) {
    for (uint32_t& lane : a.lane) lane >>= bits;
    return a;
  }
  static I shift_left(I a, size_t bits) {
    for (uint32_t& lane : a.lane) lane <<= bits;
    return a;
  }
  static I bit_or(I a, const I& b) {
    for (size_t i = 0; i < 16; ++i) a.lane[i] |= b.lane[i];
    return a;
  }
  static I lookup(const I& indices, const uint8_t (&table)[16]) {
    uint8_t bytes[64];
    __builtin_memcpy(bytes, &indices, sizeof(bytes));
    for (uint8_t& byte : bytes) byte = table[byte & 15];
    I out;
    __builtin_memcpy(&out, bytes, sizeof(out));
    return out;
  }
  template <class Bytes>
  static F widen(const Bytes& bytes) {
    int8_t values[16];
    __builtin_memcpy(values, &bytes, sizeof(values));
    return each([&](size_t i) { return static_cast<float>(values[i]); });
  }
  // 2^(e - 128): below 2^-126 a denormal.
  static F half_powers(const std::byte* p) {
    return each([p](size_t i) { return std::ldexp(1.0f, static_cast<int>(p[i]) - 128); });
  }
  static I and_bytes(I a, uint8_t mask) {
    for (uint32_t& lane : a.lane) lane &= mask * 0x01010101u;
    return a;
  }
  static F code(const I& a, size_t j) {
    return each([&](size_t i) { return static_cast<float>(a.lane[i] >> (8 * j) & 255); });
  }

  // vcvtneps2bf16: denormals count as zero of their sign.
  static uint32_t round(float x) {
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof(bits));
    return (bits & 0x7f800000u) == 0 ? bits >> 16 & 0x8000u : siskin::bf16_from_f32(x);
  }
  static I round_pair(const F& low, const F& high) {
    I out;
    for (size_t i = 0; i < 16; ++i) out.lane[i] = round(low.lane[i]) | round(high.lane[i]) << 16;
    return out;
  }
};

}  // namespace
