// Unigram: the Viterbi pass. O(text bytes times the longest match). Source: SentencePiece unigram_model.cc, EncodeOptimized.
#include "formats/tokenizer/unigram.h"

#include <algorithm>
#include <limits>

#include "formats/tokenizer/utf8_chars.h"

namespace siskin {
namespace {

// An unknown character costs this much more than the rarest piece.
constexpr float kUnknownPenalty = 10.0F;

struct Step {
  float score = 0.0F;
  uint32_t begin = UINT32_MAX;  // where the last piece of the best path to here begins; UINT32_MAX: no path yet
  TokenId id = kNoToken;        // kNoToken: an unknown character
};

}  // namespace

Unigram::Unigram(const Vocab& vocab) {
  std::vector<PieceTrie::Entry> entries;
  float worst = std::numeric_limits<float>::max();
  float best = std::numeric_limits<float>::lowest();
  for (size_t i = 0; i < vocab.size(); ++i) {
    const Piece& piece = vocab.pieces()[i];
    if (piece.type != PieceType::normal && piece.type != PieceType::user_defined) continue;
    entries.emplace_back(piece.text, static_cast<TokenId>(i));
    if (piece.type != PieceType::normal) continue;
    worst = std::min(worst, piece.score);
    best = std::max(best, piece.score);
  }
  trie_ = PieceTrie(std::move(entries));
  if (worst <= best) {
    unknown_score_ = worst - kUnknownPenalty;
    best_score_ = best;
  }
}

void Unigram::segment(const Vocab& vocab, std::string_view word, std::vector<TokenId>& ids) const {
  std::vector<Step> steps(word.size() + 1);
  steps[0].begin = 0;
  size_t char_end = 0;
  for (size_t at = 0; at < word.size(); at = char_end) {
    const size_t char_bytes = utf8_char_bytes(word.substr(at));
    char_end = at + char_bytes;
    const float till_here = steps[at].score;
    const auto offer = [&](size_t bytes, float score, TokenId id) {
      Step& step = steps[at + bytes];
      if (step.begin == UINT32_MAX || score > step.score) step = {score, static_cast<uint32_t>(at), id};
    };
    bool single_char_known = false;
    trie_.for_each_prefix(word.substr(at), [&](size_t bytes, TokenId id) {
      const Piece& piece = vocab[id];
      // A user-defined piece is priced to win over any way to spell it.
      const bool forced = piece.type == PieceType::user_defined;
      offer(bytes, till_here + (forced ? static_cast<float>(bytes) * best_score_ - 0.1F : piece.score), id);
      single_char_known = single_char_known || bytes == char_bytes;
    });
    if (!single_char_known) offer(char_bytes, till_here + unknown_score_, kNoToken);
  }
  std::vector<uint32_t> ends;
  for (auto end = static_cast<uint32_t>(word.size()); end > 0; end = steps[end].begin) ends.push_back(end);
  bool previous_unknown = false;
  for (auto it = ends.rbegin(); it != ends.rend(); ++it) {
    const Step& step = steps[*it];
    if (step.id == kNoToken) {
      vocab.append_fallback(word.substr(step.begin, *it - step.begin), previous_unknown, ids);
    } else {
      ids.push_back(step.id);
    }
    previous_unknown = step.id == kNoToken;
  }
}

}  // namespace siskin
