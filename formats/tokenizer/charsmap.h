// Charsmap: SentencePiece's compiled character map (nmt_nfkc and the like), a longest-prefix rewriting of text.
#pragma once

#include <siskin/result.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace siskin {

class Charsmap {
 public:
  // The bytes of normalizer_spec.precompiled_charsmap. Errors: corrupt_file.
  static Result<Charsmap> parse(std::string_view blob);

  std::string apply(std::string_view text) const;

 private:
  // Bytes matched at the front of text, and where the replacement begins in replacements_; no match: 0 bytes.
  struct Match {
    size_t bytes = 0;
    size_t replacement = 0;
  };
  Match longest_match(std::string_view text) const;

  std::vector<uint32_t> units_;  // a double-array trie (darts-clone)
  std::string replacements_;     // each ends with a zero byte
};

}  // namespace siskin
