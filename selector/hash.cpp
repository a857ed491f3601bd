// SHA-256 through OpenSSL's EVP.
#include "selector/hash.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <vector>

#include "selector/try.h"

namespace siskin::selector {
namespace {

// OpenSSL refuses SHA-256 only where its installation is broken; no caller could go on without it.
void require(bool done) {
  if (!done) std::abort();
}

class Digest {
 public:
  Digest() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    require(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  void add(const char* data, size_t size) { require(EVP_DigestUpdate(context_.get(), data, size) == 1); }
  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned size = 0;
    require(EVP_DigestFinal_ex(context_.get(), bytes.data(), &size) == 1);
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    for (unsigned i = 0; i < size; ++i) {
      out += kDigits[bytes[i] >> 4];
      out += kDigits[bytes[i] & 15];
    }
    return out;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

Status add_file(Digest& digest, const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<char> block(1 << 20);
  while (in) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    digest.add(block.data(), static_cast<size_t>(in.gcount()));
  }
  if (!in.eof()) return Error{ErrorCode::io, path.string() + ": cannot be read"};
  return {};
}

}  // namespace

std::string sha256(std::string_view text) {
  Digest digest;
  digest.add(text.data(), text.size());
  return digest.hex();
}

Result<std::string> sha256_of_path(const std::filesystem::path& path) {
  Digest digest;
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    SISKIN_TRY_STATUS(add_file(digest, path));
    return digest.hex();
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.is_regular_file(error)) files.push_back(entry.path());
  }
  if (error) return Error{ErrorCode::io, path.string() + ": " + error.message()};
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    const std::string name = file.filename().string() + '\0';
    digest.add(name.data(), name.size());
    SISKIN_TRY_STATUS(add_file(digest, file));
  }
  return digest.hex();
}

}  // namespace siskin::selector
