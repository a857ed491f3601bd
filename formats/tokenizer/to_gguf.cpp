#include "formats/tokenizer/to_gguf.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "formats/tokenizer/byte_text.h"
#include "formats/tokenizer/pre_types.h"
#include "formats/tokenizer/spm_scores.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr double kPadScore = -10000;

Error not_said(const std::string& what) {
  return {ErrorCode::unsupported, "tokenizer: " + what + " cannot be written to GGUF"};
}

template <class Step>
bool has_step(const TokenizerSpec& spec) {
  return std::any_of(spec.rules.steps.begin(), spec.rules.steps.end(),
                     [](const TextStep& step) { return std::holds_alternative<Step>(step); });
}

// Converters write "no such token" as the largest 32-bit number; without the key a reader takes a default.
void set_id(const char* key, TokenId id, Metadata& metadata) {
  metadata.set(key, id >= 0 ? static_cast<uint64_t>(id) : uint64_t{UINT32_MAX});
}

// Tokens, their kinds and what is put around a text: what all kinds of tokenizers have.
void set_pieces(const TokenizerSpec& spec, size_t n_vocab, Metadata& metadata) {
  std::vector<std::string> tokens;
  std::vector<int64_t> kinds;
  for (const Piece& piece : spec.pieces) {
    const bool bytes = spec.written == PieceText::bytes && piece.type == PieceType::normal;
    const bool hole = piece.text.empty() && piece.type == PieceType::unused;
    tokens.push_back(hole ? "[PAD" + std::to_string(tokens.size()) + "]" : bytes ? written_of_bytes(piece.text) : piece.text);
    kinds.push_back(static_cast<int64_t>(piece.type));
  }
  while (tokens.size() < n_vocab) {
    tokens.push_back("[PAD" + std::to_string(tokens.size()) + "]");
    kinds.push_back(static_cast<int64_t>(PieceType::unused));
  }
  metadata.set("tokenizer.ggml.tokens", std::move(tokens));
  metadata.set("tokenizer.ggml.token_type", std::move(kinds));
  set_id("tokenizer.ggml.bos_token_id", spec.bos, metadata);
  set_id("tokenizer.ggml.eos_token_id", spec.eos, metadata);
  metadata.set("tokenizer.ggml.add_bos_token", spec.add_bos && spec.bos != kNoToken);
  metadata.set("tokenizer.ggml.add_eos_token", spec.add_eos && spec.eos != kNoToken);
}

// GGUF finds control tokens and user-defined ones in text by their spelling alone.
Status check_specials(const TokenizerSpec& spec) {
  for (const SpecialToken& token : spec.specials) {
    if (!token.control && (token.strip_left || token.strip_right || token.whole_word)) {
      return not_said("the token \"" + token.text + "\", which takes spaces with it or stands alone");
    }
  }
  return {};
}

Result<std::string_view> pre_type_of(const TokenizerSpec& spec) {
  const auto same = name_of_patterns(spec.split_patterns, spec.ranked_options.ignore_merges);
  if (!same.empty()) return same;
  // A word that is a piece stays whole in one and is merged in the other: no difference if merges always lead to the piece.
  const auto other = name_of_patterns(spec.split_patterns, !spec.ranked_options.ignore_merges);
  if (other.empty()) return not_said("the way that it cuts text into words");
  SISKIN_TRY(const bool reached, merges_reach_all_pieces(spec));
  if (!reached) return not_said("a vocabulary with pieces that merges do not lead to");
  return other;
}

Status set_byte_level(const TokenizerSpec& spec, size_t n_vocab, Metadata& metadata) {
  for (const TextStep& step : spec.rules.steps) {
    if (!std::holds_alternative<ComposeStep>(step)) return not_said("what it does to text before it cuts it into words");
  }
  SISKIN_TRY(const std::string_view pre, pre_type_of(spec));
  std::vector<std::string> merges;
  merges.reserve(spec.merges.size());
  for (const auto& [left, right] : spec.merges) merges.push_back(written_of_bytes(left) + " " + written_of_bytes(right));
  set_pieces(spec, n_vocab, metadata);
  metadata.set("tokenizer.ggml.model", std::string("gpt2"));
  metadata.set("tokenizer.ggml.pre", std::string(pre));
  metadata.set("tokenizer.ggml.merges", std::move(merges));
  return {};
}

// Spaces become marks, perhaps behind one more or fewer of them: the rules of "llama" and "t5".
Status check_marking(const TokenizerSpec& spec) {
  if (has_step<Charsmap>(spec)) return not_said("its character normalisation");
  if (spec.rules.split_words) return not_said("a split at every space");
  bool marked = false;
  for (const TextStep& step : spec.rules.steps) {
    if (const auto* replace = std::get_if<ReplaceStep>(&step); replace != nullptr && replace->from == " ") {
      if (replace->to != kSpaceMark) return not_said("the space mark \"" + replace->to + "\"");
      marked = true;
      continue;
    }
    const auto* prepend = std::get_if<PrependStep>(&step);
    const bool space = prepend != nullptr && !prepend->unless_there && (prepend->text == " " || prepend->text == kSpaceMark);
    const bool placed = prepend != nullptr && prepend->at != PrefixAt::text_start;
    if (std::holds_alternative<SqueezeSpacesStep>(step) || (space && placed)) continue;
    return not_said("what it does to text before it looks for pieces");
  }
  return marked ? Status{} : not_said("a text whose spaces are not marked");
}

Status set_marked(const TokenizerSpec& spec, size_t n_vocab, Metadata& metadata) {
  SISKIN_TRY_STATUS(check_marking(spec));
  std::vector<double> scores;
  if (spec.segmenter == SegmenterKind::ranked_bpe) {
    SISKIN_TRY(scores, scores_of_merges(spec));
  } else {
    for (const Piece& piece : spec.pieces) scores.push_back(static_cast<double>(piece.score));
  }
  scores.resize(std::max(n_vocab, scores.size()), kPadScore);
  set_pieces(spec, n_vocab, metadata);
  set_id("tokenizer.ggml.unknown_token_id", spec.unknown, metadata);
  metadata.set("tokenizer.ggml.scores", std::move(scores));
  metadata.set("tokenizer.ggml.model", std::string(spec.segmenter == SegmenterKind::unigram ? "t5" : "llama"));
  metadata.set("tokenizer.ggml.pre", std::string("default"));
  metadata.set("tokenizer.ggml.add_space_prefix", has_step<PrependStep>(spec));
  if (has_step<SqueezeSpacesStep>(spec)) metadata.set("tokenizer.ggml.remove_extra_whitespaces", true);
  return {};
}

}  // namespace

Status tokenizer_to_gguf(const TokenizerSpec& spec, size_t n_vocab, Metadata& metadata) {
  if (spec.pieces.size() > n_vocab) {
    return Error{ErrorCode::unsupported,
                 "tokenizer: " + std::to_string(spec.pieces.size()) + " tokens, the embedding has " + std::to_string(n_vocab)};
  }
  SISKIN_TRY_STATUS(check_specials(spec));
  return spec.written == PieceText::bytes ? set_byte_level(spec, n_vocab, metadata) : set_marked(spec, n_vocab, metadata);
}

}  // namespace siskin
