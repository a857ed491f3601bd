// Asks the CPU what it can run and the OS what it saves: a feature counts only when both agree.
#include "kernels/cpu.h"

#include <fstream>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace siskin {
namespace {

bool has_all(uint64_t value, uint64_t mask) { return (value & mask) == mask; }

#if defined(__x86_64__)

struct Registers {
  uint32_t a = 0, b = 0, c = 0, d = 0;
};

// All zero for a leaf that this CPU does not have.
Registers cpuid(uint32_t leaf, uint32_t subleaf) {
  Registers r;
  if (__get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d) == 0) return {};
  return r;
}

constexpr uint64_t bit(int n) { return uint64_t{1} << n; }

// XCR0: which register files the OS saves. By hand, because _xgetbv would need -mxsave in a baseline file.
uint64_t saved_state() {
  uint32_t low = 0;
  uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

// Linux gives tile data to a process only when asked: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA).
bool tiles_permitted() {
  constexpr long kRequestPermission = 0x1023;
  constexpr long kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

CpuFeatures detect() {
  CpuFeatures f;
  const Registers leaf1 = cpuid(1, 0);
  if (!has_all(leaf1.c, bit(27))) return f;  // OSXSAVE: without it xgetbv itself is illegal
  const uint64_t saved = saved_state();
  const Registers leaf7 = cpuid(7, 0);
  const Registers leaf7_1 = leaf7.a >= 1 ? cpuid(7, 1) : Registers{};
  constexpr uint64_t kFma = bit(12), kF16c = bit(29), kAvx = bit(28);
  constexpr uint64_t kF = bit(16), kDq = bit(17), kBw = bit(30), kVl = bit(31);
  f.avx2 = has_all(saved, bit(1) | bit(2)) && has_all(leaf1.c, kFma | kF16c | kAvx) && has_all(leaf7.b, bit(5));
  f.avx2vnni = f.avx2 && has_all(leaf7_1.a, bit(4));
  f.avx512 = f.avx2 && has_all(saved, bit(5) | bit(6) | bit(7)) && has_all(leaf7.b, kF | kDq | kBw | kVl);
  f.avx512vnni = f.avx512 && has_all(leaf7.c, bit(11));
  f.avx512bf16 = f.avx512 && has_all(leaf7_1.a, bit(5));
  const bool tiles = f.avx512 && has_all(saved, bit(17) | bit(18)) && has_all(leaf7.d, bit(24)) && tiles_permitted();
  f.amx_int8 = tiles && has_all(leaf7.d, bit(25));
  f.amx_bf16 = tiles && has_all(leaf7.d, bit(22));
  f.amx = f.amx_int8 && f.amx_bf16 && f.avx512vnni && f.avx512bf16;
  return f;
}

std::string brand() {
  if (static_cast<uint32_t>(__get_cpuid_max(0x80000000u, nullptr)) < 0x80000004u) return {};
  char text[49] = {};
  for (uint32_t part = 0; part < 3; ++part) {
    const Registers r = cpuid(0x80000002u + part, 0);
    std::memcpy(text + part * 16, &r, 16);
  }
  return text;
}

#elif defined(__aarch64__)

CpuFeatures detect() {
  constexpr uint64_t kAsimd = 1u << 1, kAsimddp = 1u << 20;  // HWCAP
  constexpr uint64_t kI8mm = 1u << 13;                       // HWCAP2
  CpuFeatures f;
  const uint64_t caps = getauxval(AT_HWCAP);
  f.neon = has_all(caps, kAsimd);
  f.neon_dot = has_all(caps, kAsimd | kAsimddp);
  f.neon_i8mm = f.neon_dot && has_all(getauxval(AT_HWCAP2), kI8mm);
  return f;
}

// arm64 has no brand string; boards name themselves in the device tree.
std::string brand() {
  std::ifstream model("/proc/device-tree/model");
  std::string text;
  std::getline(model, text, '\0');
  return text;
}

#else

CpuFeatures detect() { return {}; }
std::string brand() { return {}; }

#endif

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

std::string cpu_name() {
  const std::string name = trimmed(brand());
  return name.empty() ? "unknown CPU" : name;
}

}  // namespace siskin
