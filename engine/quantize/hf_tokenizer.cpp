// From tokenizer.model to tokenizer.ggml.* keys.
#include "engine/quantize/hf_tokenizer.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <variant>
#include <vector>

#include "formats/tokenizer/sentencepiece_file.h"
#include "formats/tokenizer/tokenizer.h"
#include "formats/try.h"

namespace siskin {
namespace {

namespace fs = std::filesystem;

constexpr double kPadScore = -10000;

template <class Step>
bool has_step(const TokenizerSpec& spec) {
  for (const TextStep& step : spec.rules.steps) {
    if (std::holds_alternative<Step>(step)) return true;
  }
  return false;
}

Result<TokenizerSpec> read_pieces(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error{ErrorCode::io, path.string() + ": cannot be read"};
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  auto spec = parse_sentencepiece(bytes);
  if (!spec) return Error{spec.error().code, path.string() + ": " + spec.error().message};
  return spec;
}

void set_pieces(const std::vector<Piece>& pieces, size_t n_vocab, Metadata& metadata) {
  std::vector<std::string> tokens;
  std::vector<double> scores;
  std::vector<int64_t> kinds;
  for (const Piece& piece : pieces) {
    tokens.push_back(piece.text);
    scores.push_back(static_cast<double>(piece.score));
    kinds.push_back(static_cast<int64_t>(piece.type));
  }
  for (size_t id = pieces.size(); id < n_vocab; ++id) {
    tokens.push_back("[PAD" + std::to_string(id) + "]");
    scores.push_back(kPadScore);
    kinds.push_back(static_cast<int64_t>(PieceType::unused));
  }
  metadata.set("tokenizer.ggml.tokens", std::move(tokens));
  metadata.set("tokenizer.ggml.scores", std::move(scores));
  metadata.set("tokenizer.ggml.token_type", std::move(kinds));
}

void set_id(const char* key, TokenId id, Metadata& metadata) {
  if (id >= 0) metadata.set(key, static_cast<uint64_t>(id));
}

}  // namespace

Status add_folder_tokenizer(const fs::path& folder, size_t n_vocab, Metadata& metadata) {
  std::error_code ignored;
  const fs::path pieces_file = folder / "tokenizer.model";
  if (!fs::exists(pieces_file, ignored)) {
    if (!fs::exists(folder / "tokenizer.json", ignored)) return {};
    return Error{ErrorCode::unsupported,
                 (folder / "tokenizer.json").string() + ": cannot be written to GGUF yet; a tokenizer.model beside it can"};
  }
  SISKIN_TRY(const TokenizerSpec spec, read_pieces(pieces_file));
  SISKIN_TRY(const Tokenizer tokenizer,
             Tokenizer::from_folder(folder));  // knows what the folder's other files say of BOS and EOS
  if (tokenizer.size() > std::max(spec.pieces.size(), n_vocab) || spec.pieces.size() > n_vocab) {
    return Error{ErrorCode::unsupported, folder.string() + ": the tokenizer has " +
                                             std::to_string(std::max(tokenizer.size(), spec.pieces.size())) +
                                             " tokens, the embedding " + std::to_string(n_vocab)};
  }
  if (has_step<Charsmap>(spec)) {
    return Error{ErrorCode::unsupported, pieces_file.string() + ": its character normalisation cannot be written to GGUF yet"};
  }
  set_pieces(spec.pieces, n_vocab, metadata);
  metadata.set("tokenizer.ggml.model", std::string(spec.segmenter == SegmenterKind::unigram ? "t5" : "llama"));
  metadata.set("tokenizer.ggml.pre", std::string("default"));
  set_id("tokenizer.ggml.unknown_token_id", spec.unknown, metadata);
  set_id("tokenizer.ggml.bos_token_id", tokenizer.bos(), metadata);
  set_id("tokenizer.ggml.eos_token_id", tokenizer.eos(), metadata);
  metadata.set("tokenizer.ggml.add_bos_token", tokenizer.adds_bos());
  metadata.set("tokenizer.ggml.add_eos_token", spec.add_eos);
  metadata.set("tokenizer.ggml.add_space_prefix", spec.drop_first_space);
  if (has_step<SqueezeSpacesStep>(spec)) metadata.set("tokenizer.ggml.remove_extra_whitespaces", true);
  return {};
}

}  // namespace siskin
