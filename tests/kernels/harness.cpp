// The kernel checks' random numbers, guarded buffers and failure messages.
#include "tests/kernels/harness.h"

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "formats/check.h"

namespace siskin::test {
namespace {

constexpr size_t kCanaryBytes = 128;
constexpr std::byte kCanary{0xa5};

std::map<std::string, size_t>& counts() {
  static std::map<std::string, size_t> by_isa;
  return by_isa;
}

}  // namespace

std::vector<DType> built_types() {
  std::vector<DType> types;
#define SISKIN_DTYPE(name, id, text, elems, bytes, head, built) \
  if (built) types.push_back(DType::name);
#include "formats/dtype_list.inc"
#undef SISKIN_DTYPE
  return types;
}

uint64_t Rng::next() {
  uint64_t z = state_ += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

float Rng::uniform(float low, float high) { return low + static_cast<float>(next() >> 40) * 0x1p-24f * (high - low); }

float Rng::normal() {
  const uint64_t bits = next();
  int sum = 0;
  for (int i = 0; i < 4; ++i) sum += static_cast<int>((bits >> (16 * i)) & 0xffffu) - 32768;
  return static_cast<float>(sum) * (1.0f / 37837.0f);  // four uniforms of variance 1/12 each
}

void Rng::fill_normal(float* x, size_t n) {
  for (size_t i = 0; i < n; ++i) x[i] = normal();
}

GuardedBuffer::GuardedBuffer(size_t capacity) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t usable = (capacity + kCanaryBytes + 64 + page - 1) / page * page;
  mapped_ = usable + page;
  void* memory = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SISKIN_CHECK(memory != MAP_FAILED);
  base_ = static_cast<std::byte*>(memory);
  guard_ = base_ + usable;
  SISKIN_CHECK(mprotect(guard_, page, PROT_NONE) == 0);
}

GuardedBuffer::~GuardedBuffer() { munmap(base_, mapped_); }

std::byte* GuardedBuffer::tail(size_t bytes, size_t alignment) {
  SISKIN_CHECK(bytes + alignment + kCanaryBytes <= static_cast<size_t>(guard_ - base_));
  const auto address = reinterpret_cast<uintptr_t>(guard_ - bytes);
  begin_ = reinterpret_cast<std::byte*>(address / alignment * alignment);
  std::memset(begin_ - kCanaryBytes, static_cast<int>(kCanary), kCanaryBytes);
  return begin_;
}

bool GuardedBuffer::canary_intact() const {
  for (const std::byte* at = begin_ - kCanaryBytes; at < begin_; ++at) {
    if (*at != kCanary) return false;
  }
  return true;
}

Case::Case(const Kernel& kernel, const char* format, ...) : kernel_(kernel) {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text_, sizeof(text_), format, arguments);
  va_end(arguments);
  ++counts()[kernel.isa->name];
}

void Case::fail(const std::string& why) const {
  FAIL(kernel_.isa->name << " " << kernel_.name << " (" << text_ << "): " << why);
  std::abort();  // not reached: FAIL throws
}

void Case::near(size_t index, double got, double want, double tolerance) const {
  if (got == want || std::fabs(got - want) <= tolerance) return;
  char why[160];
  std::snprintf(why, sizeof(why), "element %zu is %.9g, expected %.9g within %.3g", index, got, want, tolerance);
  fail(why);
}

void Case::same_bytes(const char* what, const void* got, const void* want, size_t bytes) const {
  if (std::memcmp(got, want, bytes) == 0) return;
  size_t at = 0;
  while (static_cast<const char*>(got)[at] == static_cast<const char*>(want)[at]) ++at;
  fail(std::string(what) + " differs at byte " + std::to_string(at) + " of " + std::to_string(bytes));
}

void Case::require(bool condition, const char* what) const {
  if (!condition) fail(what);
}

const std::map<std::string, size_t>& case_counts() { return counts(); }

}  // namespace siskin::test
