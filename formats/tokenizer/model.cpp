// Tokenizer::Model: fragments, words, ids; and the checks that turn a description into a tokenizer.
#include "formats/tokenizer/model.h"

#include <algorithm>
#include <array>
#include <utility>

#include "formats/tokenizer/byte_text.h"
#include "formats/tokenizer/spm_bpe.h"
#include "formats/tokenizer/unigram.h"
#include "formats/tokenizer/utf8_chars.h"
#include "formats/try.h"

namespace siskin {
namespace {

// A segmenter indexes bytes with 32 bits; longer words are cut (no piece is that long).
constexpr size_t kMaxWordBytes = size_t{1} << 30;

// Chat models end their turns with one of these; files often name only one of several as eos.
constexpr std::array<std::string_view, 9> kEndOfTurnNames = {"<|eot_id|>",    "<|im_end|>",    "<|end|>",
                                                             "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>",
                                                             "<EOT>",         "<|eom_id|>",    "<|return|>"};

Status check_id(const char* what, TokenId id, size_t size) {
  if (id == kNoToken || (id >= 0 && static_cast<size_t>(id) < size)) return {};
  return Error{ErrorCode::corrupt_file, std::string("tokenizer: the ") + what + " token's id is " + std::to_string(id) +
                                            ", expected less than " + std::to_string(size)};
}

Result<std::unique_ptr<const Segmenter>> make_segmenter(const Vocab& vocab, const TokenizerSpec& spec) {
  switch (spec.segmenter) {
    case SegmenterKind::spm_bpe:
      break;
    case SegmenterKind::ranked_bpe: {
      SISKIN_TRY(RankedBpe bpe, RankedBpe::make(vocab, spec.merges, spec.ranked_options));
      return std::unique_ptr<const Segmenter>(std::make_unique<RankedBpe>(std::move(bpe)));
    }
    case SegmenterKind::unigram:
      return std::unique_ptr<const Segmenter>(std::make_unique<Unigram>(vocab));
  }
  return std::unique_ptr<const Segmenter>(std::make_unique<SpmBpe>());
}

}  // namespace

Result<Tokenizer> make_tokenizer(TokenizerSpec spec) {
  SISKIN_TRY(Vocab vocab, Vocab::make(std::move(spec.pieces), spec.unknown, spec.written));
  if (!spec.byte_fallback) vocab.drop_byte_fallback();
  SISKIN_TRY_STATUS(check_id("beginning-of-text", spec.bos, vocab.size()));
  SISKIN_TRY_STATUS(check_id("end-of-text", spec.eos, vocab.size()));
  for (const TokenId id : spec.end_ids) SISKIN_TRY_STATUS(check_id("end-of-turn", id, vocab.size()));
  for (const SpecialToken& token : spec.specials) SISKIN_TRY_STATUS(check_id("special", token.id, vocab.size()));
  spec.add_bos = spec.add_bos && spec.bos != kNoToken;
  spec.add_eos = spec.add_eos && spec.eos != kNoToken;
  spec.end_ids.insert(spec.eos);
  for (const SpecialToken& token : spec.specials) {
    const bool ends = std::find(kEndOfTurnNames.begin(), kEndOfTurnNames.end(), token.text) != kEndOfTurnNames.end();
    if (ends) spec.end_ids.insert(token.id);
  }
  spec.end_ids.erase(kNoToken);
  SISKIN_TRY(auto segmenter, make_segmenter(vocab, spec));
  std::optional<PreSplitter> splitter;
  if (!spec.split_patterns.empty()) {
    SISKIN_TRY(splitter, PreSplitter::make(spec.split_patterns));
  }
  return Tokenizer(std::make_unique<const Tokenizer::Model>(std::move(vocab), std::move(segmenter), std::move(splitter), spec));
}

void read_written_bytes(TokenizerSpec& spec) {
  spec.written = PieceText::bytes;
  for (Piece& piece : spec.pieces) {
    if (piece.type != PieceType::normal) continue;
    if (auto bytes = bytes_of_written(piece.text)) {
      piece.text = *std::move(bytes);
    } else {
      piece.type = PieceType::unused;
    }
  }
  // A half that spells no bytes stays as it is: no piece has its name, and RankedBpe says so.
  for (auto& [left, right] : spec.merges) {
    for (std::string* half : {&left, &right}) *half = bytes_of_written(*half).value_or(*half);
  }
}

std::vector<SpecialToken> specials_of_pieces(const std::vector<Piece>& pieces, PieceText written) {
  std::vector<SpecialToken> specials;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Piece& piece = pieces[i];
    const bool control = piece.type == PieceType::control || piece.type == PieceType::unknown;
    if (!control && piece.type != PieceType::user_defined) continue;
    // A user-defined piece with space marks is written for normalised text; the segmenter finds it there.
    const bool marked = written == PieceText::marked && piece.text.find(kSpaceMark) != std::string::npos;
    if (piece.text.empty() || (!control && marked)) continue;
    specials.push_back({piece.text, static_cast<TokenId>(i), control, false, false, false});
  }
  return specials;
}

Tokenizer::Model::Model(Vocab vocab, std::unique_ptr<const Segmenter> segmenter, std::optional<PreSplitter> splitter,
                        const TokenizerSpec& spec)
    : vocab_(std::move(vocab)),
      segmenter_(std::move(segmenter)),
      splitter_(std::move(splitter)),
      rules_(spec.rules),
      specials_(spec.specials),
      end_ids_(spec.end_ids),
      bos_(spec.bos),
      eos_(spec.eos),
      add_bos_(spec.add_bos),
      add_eos_(spec.add_eos),
      drop_first_space_(spec.drop_first_space) {}

std::vector<TokenId> Tokenizer::Model::encode(std::string_view text, const EncodeOptions& options) const {
  std::vector<TokenId> ids;
  ids.reserve(text.size() / 3 + 2);
  if (options.add_bos && add_bos_) ids.push_back(bos_);
  specials_.partition(
      text, options.parse_special,
      [&](std::string_view fragment, const SpecialToken* previous) {
        const bool ends_text = fragment.data() + fragment.size() == text.data() + text.size();
        encode_fragment(fragment, {previous == nullptr, ends_text, previous != nullptr && !previous->control}, ids);
      },
      [&](const SpecialToken& token) { ids.push_back(token.id); });
  if (options.add_bos && add_eos_) ids.push_back(eos_);
  return ids;
}

void Tokenizer::Model::encode_fragment(std::string_view fragment, const FragmentPlace& place, std::vector<TokenId>& ids) const {
  const std::string text = rules_.apply(fragment, place);
  if (splitter_) {
    splitter_->split(text, [&](std::string_view word) { segment(word, ids); });
  } else {
    segment(text, ids);
  }
}

void Tokenizer::Model::segment(std::string_view text, std::vector<TokenId>& ids) const {
  while (!text.empty()) {
    const size_t end = word_bytes(text);
    segmenter_->segment(vocab_, text.substr(0, end), ids);
    text.remove_prefix(end);
  }
}

size_t Tokenizer::Model::word_bytes(std::string_view text) const {
  size_t end = text.size();
  if (rules_.split_words) {
    end = std::min(end, text.find(kSpaceMark, 1));
  } else if (vocab_.marks_start_words() && !segmenter_->wants_whole_text()) {
    size_t marks = 0;
    while (text.substr(marks, kSpaceMark.size()) == kSpaceMark) marks += kSpaceMark.size();
    end = std::min(end, text.find(kSpaceMark, marks));
  }
  if (end > kMaxWordBytes) {
    for (end = 0; end < kMaxWordBytes;) end += utf8_char_bytes(text.substr(end));
  }
  return end;
}

bool Tokenizer::Model::append_text(TokenId id, std::string& text) const {
  if (!vocab_.contains(id)) return false;
  const Piece& piece = vocab_[id];
  switch (piece.type) {
    case PieceType::unknown:
    case PieceType::control:
      return false;
    case PieceType::byte:
      text += static_cast<char>(byte_piece_value(piece.text));
      return true;
    case PieceType::normal:
    case PieceType::user_defined:
    case PieceType::unused:
      break;
  }
  if (vocab_.written() == PieceText::bytes) {
    text += piece.text;
    return !piece.text.empty();
  }
  for (size_t at = 0; at < piece.text.size();) {
    const size_t mark = std::min(piece.text.find(kSpaceMark, at), piece.text.size());
    text.append(piece.text, at, mark - at);
    if (mark < piece.text.size()) text += ' ';
    at = mark + kSpaceMark.size();
  }
  return !piece.text.empty();
}

}  // namespace siskin
