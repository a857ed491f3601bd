// What every kernel check needs: random numbers, buffers that end at an unreadable page, and a count of cases per instruction
// set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels/select.h"

namespace siskin::test {

// One kernel of one instruction set's complete table.
struct Kernel {
  const char* name;
  const Isa* isa;
};

// The types that kernels read.
std::vector<DType> built_types();

// splitmix64: small, and the same numbers on every platform, unlike the standard distributions.
class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}
  uint64_t next();
  size_t below(size_t n) { return static_cast<size_t>(next() % n); }
  size_t between(size_t low, size_t high) { return low + below(high - low + 1); }
  float uniform(float low, float high);
  // Roughly normal, as weights and activations are.
  float normal();
  void fill_normal(float* x, size_t n);

 private:
  uint64_t state_;
};

// Memory followed by a page that faults: a kernel that reads or writes one byte past its input dies here. Each tail() call
// starts anew, so a buffer holds one array at a time.
class GuardedBuffer {
 public:
  explicit GuardedBuffer(size_t capacity);
  ~GuardedBuffer();
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  // `bytes` bytes that end at the guard, or up to alignment - 1 before it. What precedes them is filled with a canary.
  std::byte* tail(size_t bytes, size_t alignment);
  template <class T>
  T* tail_of(size_t n) {
    return reinterpret_cast<T*>(tail(n * sizeof(T), alignof(T)));
  }
  bool canary_intact() const;

 private:
  std::byte* base_ = nullptr;
  std::byte* guard_ = nullptr;
  std::byte* begin_ = nullptr;
  size_t mapped_ = 0;
};

// One case: counted when made, described when it fails.
class Case {
 public:
  __attribute__((format(printf, 3, 4))) Case(const Kernel& kernel, const char* format, ...);

  // Fails the test unless |got - want| <= tolerance (NaN fails; equal infinities pass).
  void near(size_t index, double got, double want, double tolerance) const;
  // Fails unless the bytes are the same.
  void same_bytes(const char* what, const void* got, const void* want, size_t bytes) const;
  void require(bool condition, const char* what) const;

 private:
  [[noreturn]] void fail(const std::string& why) const;
  const Kernel& kernel_;
  char text_[200];
};

const std::map<std::string, size_t>& case_counts();  // by Isa::name

}  // namespace siskin::test
