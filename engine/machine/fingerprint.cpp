// Hashes a machine's description with OpenSSL's SHA-256.
#include "engine/machine/fingerprint.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <siskin/version.h>

#include <array>

#include "formats/check.h"

namespace siskin {

std::string sha256_hex(const std::string& text) {
  std::array<unsigned char, 32> digest{};
  unsigned length = 0;
  SISKIN_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr) == 1);
  std::string hex;
  for (unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

std::string fingerprint_of(const MachineProfile& profile, const std::string& microcode, std::optional<double> quota) {
  std::string text = fmt::format("siskin {}\ncpu {}\nmicrocode {}\nisa {}\n", version(), profile.cpu, microcode, profile.isa);
  for (const std::string& isa : profile.isas) text += fmt::format("has {}\n", isa);
  for (const CacheLevel& cache : profile.caches) {
    text += fmt::format("cache {} {} {}\n", cache.level, cache.bytes, cache.shared_by);
  }
  constexpr uint64_t kGibibyte = uint64_t{1} << 30;  // MemTotal moves by some pages from boot to boot
  text += fmt::format("cores {}\nthreads {}\nquota {}\nmemory {}\n", profile.cores, profile.threads,
                      quota ? fmt::format("{:.3f}", *quota) : "none", (profile.memory_bytes + kGibibyte / 2) / kGibibyte);
  return sha256_hex(text);
}

}  // namespace siskin
