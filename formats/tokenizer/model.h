// Tokenizer::Model: the parts of a tokenizer put together, and the description that the readers of files build it from.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "formats/tokenizer/pre_splitter.h"
#include "formats/tokenizer/ranked_bpe.h"
#include "formats/tokenizer/segmenter.h"
#include "formats/tokenizer/specials.h"
#include "formats/tokenizer/text_rules.h"
#include "formats/tokenizer/vocab.h"

namespace siskin {

enum class SegmenterKind { spm_bpe, ranked_bpe, unigram };

// What a file says about a tokenizer; make_tokenizer checks it. Ids of kNoToken: none.
struct TokenizerSpec {
  SegmenterKind segmenter = SegmenterKind::spm_bpe;
  std::vector<Piece> pieces;
  PieceText written = PieceText::marked;
  std::vector<std::string> split_patterns;  // cut text into words that are segmented for themselves; empty: not cut
  std::vector<RankedBpe::Pair> merges;      // ranked_bpe alone
  RankedBpe::Options ranked_options;
  bool byte_fallback = true;  // false: unknown characters become the unknown id even if there are byte pieces
  TextRules rules;
  std::vector<SpecialToken> specials;
  bool drop_first_space = true;  // decoding drops the space that encoding puts in front
  TokenId unknown = kNoToken;
  TokenId bos = kNoToken;
  TokenId eos = kNoToken;
  std::set<TokenId> end_ids;  // end generation, besides eos
  bool add_bos = false;
  bool add_eos = false;
};

// Errors: corrupt_file (ids out of range, pieces that cannot be); unsupported (a split pattern that PCRE2 cannot compile).
Result<Tokenizer> make_tokenizer(TokenizerSpec spec);

// Turns pieces that a file writes as byte-level BPE does (byte_text.h) into bytes, and marks spec.written. A normal piece that
// spells no bytes becomes an unused one.
void read_written_bytes(TokenizerSpec& spec);

// The special tokens of a vocabulary whose file lists none of its own: its control, unknown and user-defined pieces.
std::vector<SpecialToken> specials_of_pieces(const std::vector<Piece>& pieces, PieceText written = PieceText::marked);

class Tokenizer::Model {
 public:
  Model(Vocab vocab, std::unique_ptr<const Segmenter> segmenter, std::optional<PreSplitter> splitter,
        const TokenizerSpec& spec);

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const;
  // Appends the bytes of one token; false if it spells nothing.
  bool append_text(TokenId id, std::string& text) const;

  const Vocab& vocab() const { return vocab_; }
  TokenId bos() const { return bos_; }
  TokenId eos() const { return eos_; }
  bool adds_bos() const { return add_bos_; }
  bool drops_first_space() const { return drop_first_space_; }
  bool ends_generation(TokenId id) const { return end_ids_.count(id) != 0; }
  const char* kind() const { return segmenter_->kind(); }

 private:
  void encode_fragment(std::string_view fragment, const FragmentPlace& place, std::vector<TokenId>& ids) const;
  void segment(std::string_view text, std::vector<TokenId>& ids) const;
  // Bytes at the front of normalised text that can be segmented for themselves.
  size_t word_bytes(std::string_view text) const;

  Vocab vocab_;
  std::unique_ptr<const Segmenter> segmenter_;
  std::optional<PreSplitter> splitter_;
  TextRules rules_;
  SpecialTokens specials_;
  std::set<TokenId> end_ids_;
  TokenId bos_;
  TokenId eos_;
  bool add_bos_;
  bool add_eos_;
  bool drop_first_space_;
};

}  // namespace siskin
