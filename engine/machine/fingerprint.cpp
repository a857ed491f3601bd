// Hashes a machine's description with OpenSSL's SHA-256.
#include "engine/machine/fingerprint.h"

#include <openssl/evp.h>
#include <siskin/version.h>

#include <array>
#include <sstream>

#include "formats/check.h"

namespace siskin {

std::string sha256_hex(const std::string& text) {
  std::array<unsigned char, 32> digest{};
  unsigned length = 0;
  SISKIN_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr) == 1);
  std::string hex;
  for (unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

std::string fingerprint_of(const MachineProfile& profile, const std::string& microcode, std::optional<double> quota) {
  constexpr uint64_t kGibibyte = uint64_t{1} << 30;  // MemTotal moves by some pages from boot to boot
  std::ostringstream text;
  text << "siskin " << version() << "\ncpu " << profile.cpu << "\nmicrocode " << microcode << "\nisa " << profile.isa << '\n';
  for (const std::string& isa : profile.isas) text << "has " << isa << '\n';
  for (const CacheLevel& cache : profile.caches) {
    text << "cache " << cache.level << ' ' << cache.bytes << ' ' << cache.shared_by << '\n';
  }
  text << "cores " << profile.cores << "\nthreads " << profile.threads << "\nquota " << quota.value_or(0) << "\nmemory "
       << (profile.memory_bytes + kGibibyte / 2) / kGibibyte << '\n';
  return sha256_hex(text.str());
}

}  // namespace siskin
