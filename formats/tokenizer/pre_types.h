// PreType: the ways of cutting text into words that GGUF's tokenizer.ggml.pre names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace siskin {

struct PreType {
  std::vector<std::string> patterns;  // for PreSplitter
  bool ignore_merges = false;         // a word that is a piece is that piece
  bool add_bos = false;               // where the file does not say
};

// Null: not built. "" is "default", as in llama.cpp.
const PreType* find_pre_type(std::string_view name);
// A name whose patterns these are; empty: none.
std::string_view name_of_patterns(const std::vector<std::string>& patterns, bool ignore_merges);

}  // namespace siskin
