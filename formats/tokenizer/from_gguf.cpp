// Tokenizer::from_metadata: the tokenizer.ggml.* keys of a GGUF file.
#include <cstdint>
#include <optional>
#include <utility>

#include "formats/tokenizer/model.h"
#include "formats/tokenizer/pre_types.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kScores = "tokenizer.ggml.scores";
constexpr const char* kTypes = "tokenizer.ggml.token_type";
constexpr const char* kMerges = "tokenizer.ggml.merges";
constexpr const char* kCharsmap = "tokenizer.ggml.precompiled_charsmap";

// Converters write "no such token" as the largest 32-bit number.
constexpr uint64_t kAbsentId = UINT32_MAX;

// What llama.cpp assumes of a kind whose file says nothing.
struct Defaults {
  TokenId bos;
  TokenId eos;
  TokenId unknown;
  bool add_bos;
  bool add_eos;
};
constexpr Defaults kLlama = {1, 2, 0, true, false};
constexpr Defaults kT5 = {kNoToken, 1, 2, false, true};
constexpr Defaults kGpt2 = {11, 11, kNoToken, false, false};

Result<TokenId> id_or(const Metadata& metadata, const char* key, TokenId fallback, size_t size) {
  if (!metadata.has(key)) return fallback >= 0 && static_cast<size_t>(fallback) < size ? fallback : kNoToken;
  SISKIN_TRY(const uint64_t id, metadata.u64(key));
  if (id == kAbsentId) return kNoToken;
  if (id >= size) {
    return Error{ErrorCode::corrupt_file,
                 std::string(key) + " is " + std::to_string(id) + ", expected less than " + std::to_string(size)};
  }
  return static_cast<TokenId>(id);
}

Error length_error(const char* key, size_t expected, size_t got) {
  return {ErrorCode::corrupt_file,
          std::string(key) + ": " + std::to_string(got) + " elements, expected " + std::to_string(expected)};
}

Error kind_error(const char* key, const char* expected) {
  return {ErrorCode::corrupt_file, std::string(key) + ": expected " + expected};
}

Status read_scores(const Metadata& metadata, std::vector<Piece>& pieces) {
  if (!metadata.has(kScores)) return Error{ErrorCode::corrupt_file, std::string(kScores) + ": missing"};
  const std::vector<double>* scores = metadata.doubles(kScores);
  if (scores == nullptr) return kind_error(kScores, "an array of floats");
  if (scores->size() != pieces.size()) return length_error(kScores, pieces.size(), scores->size());
  for (size_t i = 0; i < pieces.size(); ++i) pieces[i].score = static_cast<float>((*scores)[i]);
  return {};
}

Status read_types(const Metadata& metadata, std::vector<Piece>& pieces) {
  if (!metadata.has(kTypes)) {
    // Without types a byte piece is known by its spelling.
    for (Piece& piece : pieces) {
      if (byte_piece_value(piece.text) >= 0) piece.type = PieceType::byte;
    }
    return {};
  }
  const std::vector<int64_t>* types = metadata.ints(kTypes);
  if (types == nullptr) return kind_error(kTypes, "an array of integers");
  if (types->size() != pieces.size()) return length_error(kTypes, pieces.size(), types->size());
  for (size_t i = 0; i < pieces.size(); ++i) {
    const int64_t type = (*types)[i];
    if (type < 0 || type > 6) {
      return Error{ErrorCode::corrupt_file, std::string(kTypes) + ": element " + std::to_string(i) + " is " +
                                                std::to_string(type) + ", expected 0 to 6"};
    }
    pieces[i].type = type == 0 ? PieceType::normal : static_cast<PieceType>(type);
  }
  return {};
}

Result<std::optional<Charsmap>> read_charsmap(const Metadata& metadata) {
  if (!metadata.has(kCharsmap)) return std::optional<Charsmap>();
  const std::vector<int64_t>* bytes = metadata.ints(kCharsmap);
  if (bytes == nullptr) return kind_error(kCharsmap, "an array of bytes");
  if (bytes->empty()) return std::optional<Charsmap>();
  std::string blob;
  blob.reserve(bytes->size());
  for (const int64_t byte : *bytes) {
    if (byte < -128 || byte > 255) return kind_error(kCharsmap, "an array of bytes");
    blob.push_back(static_cast<char>(static_cast<unsigned char>(byte & 0xFF)));
  }
  SISKIN_TRY(Charsmap map, Charsmap::parse(blob));
  return std::optional<Charsmap>(std::move(map));
}

Status read_rules(const Metadata& metadata, TokenizerSpec& spec) {
  SISKIN_TRY(const bool prefix, metadata.boolean_or("tokenizer.ggml.add_space_prefix", true));
  SISKIN_TRY(const bool squeeze, metadata.boolean_or("tokenizer.ggml.remove_extra_whitespaces", false));
  SISKIN_TRY(auto charsmap, read_charsmap(metadata));
  if (charsmap) spec.rules.steps.emplace_back(*std::move(charsmap));
  if (squeeze) spec.rules.steps.emplace_back(SqueezeSpacesStep{});
  if (prefix) spec.rules.steps.emplace_back(PrependStep{" ", PrefixAt::every_fragment, false});
  spec.rules.steps.emplace_back(ReplaceStep{" ", std::string(kSpaceMark)});
  spec.drop_first_space = prefix;
  return {};
}

Status read_special_ids(const Metadata& metadata, const Defaults& defaults, TokenizerSpec& spec) {
  const size_t size = spec.pieces.size();
  SISKIN_TRY(spec.unknown, id_or(metadata, "tokenizer.ggml.unknown_token_id", defaults.unknown, size));
  SISKIN_TRY(spec.bos, id_or(metadata, "tokenizer.ggml.bos_token_id", defaults.bos, size));
  SISKIN_TRY(spec.eos, id_or(metadata, "tokenizer.ggml.eos_token_id", defaults.eos, size));
  for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    SISKIN_TRY(const TokenId id, id_or(metadata, key, kNoToken, size));
    if (id != kNoToken) spec.end_ids.insert(id);
  }
  SISKIN_TRY(spec.add_bos, metadata.boolean_or("tokenizer.ggml.add_bos_token", defaults.add_bos));
  SISKIN_TRY(spec.add_eos, metadata.boolean_or("tokenizer.ggml.add_eos_token", defaults.add_eos));
  if (metadata.has(kTypes)) return {};
  for (const TokenId id : {spec.bos, spec.eos}) {
    if (id != kNoToken) spec.pieces[static_cast<size_t>(id)].type = PieceType::control;
  }
  if (spec.unknown != kNoToken) spec.pieces[static_cast<size_t>(spec.unknown)].type = PieceType::unknown;
  return {};
}

// "left right" each: a space inside a half would be written as another character.
Status read_merges(const Metadata& metadata, TokenizerSpec& spec) {
  if (!metadata.has(kMerges)) return Error{ErrorCode::corrupt_file, std::string(kMerges) + ": missing"};
  const std::vector<std::string>* merges = metadata.strings(kMerges);
  if (merges == nullptr) return kind_error(kMerges, "an array of strings");
  spec.merges.reserve(merges->size());
  for (size_t i = 0; i < merges->size(); ++i) {
    const std::string& merge = (*merges)[i];
    const size_t space = merge.find(' ', 1);
    if (space == std::string::npos) {
      return Error{ErrorCode::corrupt_file,
                   std::string(kMerges) + ": element " + std::to_string(i) + ": expected two pieces with a space between"};
    }
    spec.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  return {};
}

Result<Tokenizer> byte_level_tokenizer(const Metadata& metadata, TokenizerSpec spec) {
  SISKIN_TRY(const std::string name, metadata.string_or("tokenizer.ggml.pre", ""));
  const PreType* pre = find_pre_type(name);
  if (pre == nullptr) {
    return Error{ErrorCode::unsupported,
                 "tokenizer.ggml.pre is \"" + name + "\": this way of cutting text into words is not built"};
  }
  spec.segmenter = SegmenterKind::ranked_bpe;
  spec.split_patterns = pre->patterns;
  spec.ranked_options.ignore_merges = pre->ignore_merges;
  SISKIN_TRY_STATUS(read_types(metadata, spec.pieces));
  SISKIN_TRY_STATUS(read_merges(metadata, spec));
  Defaults defaults = kGpt2;
  defaults.add_bos = pre->add_bos;
  SISKIN_TRY_STATUS(read_special_ids(metadata, defaults, spec));
  spec.unknown = kNoToken;  // every byte has a piece; where one has not, llama.cpp drops it, and so it is here
  SISKIN_TRY(const bool prefix, metadata.boolean_or("tokenizer.ggml.add_space_prefix", false));
  if (prefix) spec.rules.steps.emplace_back(PrependStep{" ", PrefixAt::every_fragment, false});
  spec.drop_first_space = prefix;
  read_written_bytes(spec);
  spec.specials = specials_of_pieces(spec.pieces, spec.written);
  return make_tokenizer(std::move(spec));
}

}  // namespace

Result<Tokenizer> Tokenizer::from_metadata(const Metadata& metadata) {
  if (!metadata.has("tokenizer.ggml.model")) {
    return Error{ErrorCode::not_found, "tokenizer.ggml.model: missing; the file holds no tokenizer"};
  }
  SISKIN_TRY(const std::string kind, metadata.string("tokenizer.ggml.model"));
  const bool unigram = kind == "t5";
  const bool byte_level = kind == "gpt2";
  if (!unigram && !byte_level && kind != "llama") {
    return Error{ErrorCode::unsupported, "tokenizer.ggml.model is \"" + kind + "\", supported: \"llama\", \"t5\", \"gpt2\""};
  }
  if (!metadata.has(kTokens)) return Error{ErrorCode::not_found, std::string(kTokens) + ": missing"};
  const std::vector<std::string>* tokens = metadata.strings(kTokens);
  if (tokens == nullptr) return kind_error(kTokens, "an array of strings");
  if (tokens->size() > kMaxPieces) return length_error(kTokens, kMaxPieces, tokens->size());

  TokenizerSpec spec;
  spec.segmenter = unigram ? SegmenterKind::unigram : SegmenterKind::spm_bpe;
  spec.pieces.reserve(tokens->size());
  for (const std::string& token : *tokens) spec.pieces.push_back({token, 0.0F, PieceType::normal});
  if (byte_level) return byte_level_tokenizer(metadata, std::move(spec));
  SISKIN_TRY_STATUS(read_scores(metadata, spec.pieces));
  SISKIN_TRY_STATUS(read_types(metadata, spec.pieces));
  SISKIN_TRY_STATUS(read_special_ids(metadata, unigram ? kT5 : kLlama, spec));
  SISKIN_TRY_STATUS(read_rules(metadata, spec));
  spec.specials = specials_of_pieces(spec.pieces);
  return make_tokenizer(std::move(spec));
}

}  // namespace siskin
