// The vocabulary of a synthesised model.
#include "engine/synth/placeholder_tokenizer.h"

#include <string>
#include <vector>

namespace siskin {
namespace {

// SentencePiece's kinds, as GGUF numbers them.
enum PieceKind : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6 };

}  // namespace

Status add_placeholder_tokenizer(size_t n_vocab, Metadata& metadata) {
  if (n_vocab < kSmallestVocabulary) {
    return Error{ErrorCode::invalid_argument, "n_vocab: expected at least " + std::to_string(kSmallestVocabulary) +
                                                  " (control tokens and bytes), got " + std::to_string(n_vocab)};
  }
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<int64_t> kinds = {kUnknown, kControl, kControl};
  for (int byte = 0; byte < 256; ++byte) {
    constexpr char kHex[] = "0123456789ABCDEF";
    tokens.push_back(std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">");
    kinds.push_back(kByte);
  }
  if (n_vocab > kSmallestVocabulary) {  // llama.cpp looks it up in every model that is named after Phi-3
    tokens.push_back("<|endoftext|>");
    kinds.push_back(kControl);
  }
  std::vector<double> scores(tokens.size(), 0.0);
  // No text merges into these pieces (their halves are no pieces), but a random model generates them, and they should be
  // readable.
  for (size_t id = tokens.size(); id < n_vocab; ++id) {
    tokens.push_back("\xe2\x96\x81w" + std::to_string(id));
    kinds.push_back(kNormal);
    scores.push_back(-static_cast<double>(id - kSmallestVocabulary));
  }
  metadata.set("tokenizer.ggml.model", std::string("llama"));
  metadata.set("tokenizer.ggml.pre", std::string("default"));
  metadata.set("tokenizer.ggml.tokens", std::move(tokens));
  metadata.set("tokenizer.ggml.scores", std::move(scores));
  metadata.set("tokenizer.ggml.token_type", std::move(kinds));
  metadata.set("tokenizer.ggml.unknown_token_id", uint64_t{0});
  metadata.set("tokenizer.ggml.bos_token_id", uint64_t{1});
  metadata.set("tokenizer.ggml.eos_token_id", uint64_t{2});
  metadata.set("tokenizer.ggml.add_bos_token", true);
  metadata.set("tokenizer.ggml.add_eos_token", false);
  return {};
}

}  // namespace siskin
