#include "formats/tokenizer/spm_scores.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "formats/tokenizer/spm_bpe.h"
#include "formats/tokenizer/utf8_chars.h"
#include "formats/try.h"

namespace siskin {
namespace {

Error unlike(const std::string& why) {
  return {ErrorCode::unsupported, "tokenizer: its merges cannot be written to GGUF as scores: " + why};
}

struct Ranks {
  size_t first, last, count;
};

bool spells_all_bytes(const TokenizerSpec& spec) {
  size_t bytes = 0;
  for (const Piece& piece : spec.pieces) bytes += piece.type == PieceType::byte ? 1 : 0;
  return spec.byte_fallback && bytes == 256;
}

// In how many ways `text` is two pieces one behind the other.
size_t ways_to_cut(std::string_view text, const std::unordered_map<std::string_view, size_t>& normal) {
  size_t ways = 0;
  for (size_t at = utf8_char_bytes(text); at < text.size(); at += utf8_char_bytes(text.substr(at))) {
    ways += normal.count(text.substr(0, at)) != 0 && normal.count(text.substr(at)) != 0 ? 1 : 0;
  }
  return ways;
}

// Pieces of marks alone: Llama gives them all one score, the last, so that the ranks of their merges alternate.
bool is_run_of_marks(std::string_view text) {
  if (text.size() <= kSpaceMark.size() || text.size() % kSpaceMark.size() != 0) return false;
  for (size_t at = 0; at < text.size(); at += kSpaceMark.size()) {
    if (text.substr(at, kSpaceMark.size()) != kSpaceMark) return false;
  }
  return true;
}

// Whether runs of marks may be judged by themselves: their merges come after all others, and no other has a run as a half.
bool runs_stand_apart(const std::vector<RankedBpe::Pair>& merges) {
  bool behind = false;
  for (const auto& [left, right] : merges) {
    const bool run = is_run_of_marks(left + right);
    if (!run && (behind || is_run_of_marks(left) || is_run_of_marks(right))) return false;
    behind = behind || run;
  }
  return true;
}

// Whether ranks and scores cut runs of marks alike, tried for all lengths up to the longest piece.
Result<bool> runs_are_cut_alike(const TokenizerSpec& spec, const std::vector<double>& scores) {
  std::vector<Piece> pieces = spec.pieces;
  size_t longest = 0;
  for (size_t id = 0; id < pieces.size(); ++id) {
    pieces[id].score = static_cast<float>(scores[id]);
    if (is_run_of_marks(pieces[id].text)) longest = std::max(longest, pieces[id].text.size() / kSpaceMark.size());
  }
  SISKIN_TRY(const Vocab vocab, Vocab::make(std::move(pieces), spec.unknown, spec.written));
  SISKIN_TRY(const RankedBpe by_rank, RankedBpe::make(vocab, spec.merges, spec.ranked_options));
  std::string run;
  for (size_t n = 1; n <= longest; ++n) {
    run += kSpaceMark;
    std::vector<TokenId> ranked, scored;
    by_rank.segment(vocab, run, ranked);
    SpmBpe().segment(vocab, run, scored);
    if (ranked != scored) return false;
  }
  return true;
}

}  // namespace

Result<std::vector<double>> scores_of_merges(const TokenizerSpec& spec) {
  if (spec.ranked_options.ignore_merges) return unlike("a word that is a piece is not merged");
  if (!spells_all_bytes(spec)) return unlike("there is no piece for every byte");
  std::unordered_map<std::string_view, size_t> normal;
  for (size_t id = 0; id < spec.pieces.size(); ++id) {
    if (spec.pieces[id].type == PieceType::normal) normal.emplace(spec.pieces[id].text, id);
  }
  std::map<size_t, Ranks> made;  // pieces that merges make
  for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto& [left, right] = spec.merges[rank];
    const auto whole = normal.find(left + right);
    if (whole == normal.end()) return unlike("\"" + left + right + "\" is merged and no piece");
    auto [at, first_time] = made.try_emplace(whole->second, Ranks{rank, rank, 0});
    at->second.last = rank;
    ++at->second.count;
  }
  const bool runs_apart = runs_stand_apart(spec.merges);
  std::vector<std::pair<size_t, size_t>> order;  // first and last ranks
  std::vector<double> scores(spec.pieces.size(), 0.0);
  for (const auto& [text, id] : normal) {
    const auto ranks = made.find(id);
    if (ways_to_cut(text, normal) != (ranks == made.end() ? 0 : ranks->second.count)) {
      return unlike("\"" + std::string(text) + "\" is two pieces in more ways than there are merges");
    }
    if (ranks == made.end()) continue;
    if (runs_apart && is_run_of_marks(text)) {
      scores[id] = -1.0 - static_cast<double>(spec.merges.size());
      continue;
    }
    order.emplace_back(ranks->second.first, ranks->second.last);
    scores[id] = -1.0 - static_cast<double>(ranks->second.first);
  }
  std::sort(order.begin(), order.end());
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i].first < order[i - 1].second) return unlike("merges of different pieces alternate");
  }
  if (runs_apart) {
    SISKIN_TRY(const bool alike, runs_are_cut_alike(spec, scores));
    if (!alike) return unlike("runs of spaces would be cut otherwise");
  }
  return scores;
}

Result<bool> merges_reach_all_pieces(const TokenizerSpec& spec) {
  SISKIN_TRY(const Vocab vocab, Vocab::make(spec.pieces, spec.unknown, spec.written));
  RankedBpe::Options options = spec.ranked_options;
  options.ignore_merges = false;
  SISKIN_TRY(const RankedBpe bpe, RankedBpe::make(vocab, spec.merges, options));
  for (const Piece& piece : spec.pieces) {
    if (piece.type != PieceType::normal) continue;
    std::vector<TokenId> ids;
    bpe.segment(vocab, piece.text, ids);
    if (ids.size() != 1) return false;
  }
  return true;
}

}  // namespace siskin
