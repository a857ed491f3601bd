// Vocab: the pieces of a tokenizer with their kinds and scores, and the way from bytes to ids. It knows nothing of algorithms.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/tokenizer/tokenizer.h"

namespace siskin {

// U+2581: how SentencePiece writes a space inside a piece.
inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";
inline constexpr TokenId kNoToken = -1;

// The numbers are those of sentencepiece_model.proto and of GGUF's tokenizer.ggml.token_type.
enum class PieceType : uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

struct Piece {
  std::string text;
  float score = 0.0F;
  PieceType type = PieceType::normal;
};

// How a vocabulary's pieces are written: as characters, spaces as marks; or as the bytes that they spell (byte-level BPE).
enum class PieceText : bool { marked, bytes };

// A vocabulary of more pieces than this, or with a longer piece, is no vocabulary: it is a corrupt file.
inline constexpr size_t kMaxPieces = size_t{1} << 24;
inline constexpr size_t kMaxPieceBytes = 4096;

class Vocab {
 public:
  // Errors: corrupt_file (no pieces, too many, a piece too long, a score that is no number, a byte piece that is not <0xXX>).
  static Result<Vocab> make(std::vector<Piece> pieces, TokenId unknown, PieceText written = PieceText::marked);

  Vocab(Vocab&&) noexcept = default;
  Vocab& operator=(Vocab&&) noexcept = default;
  Vocab(const Vocab&) = delete;  // text_ids_ points into pieces_
  Vocab& operator=(const Vocab&) = delete;

  size_t size() const { return pieces_.size(); }
  bool contains(TokenId id) const { return id >= 0 && static_cast<size_t>(id) < pieces_.size(); }
  const Piece& operator[](TokenId id) const { return pieces_[static_cast<size_t>(id)]; }
  const std::vector<Piece>& pieces() const { return pieces_; }

  PieceText written() const { return written_; }

  // The piece that text may become: normal, user-defined and unused ones; of pieces written as bytes the normal ones alone,
  // since the others are written as text and may look like bytes of another. Control, unknown and byte pieces are never spelt
  // by text, so that a user's "<s>" stays text. kNoToken: none.
  TokenId find(std::string_view text) const;
  TokenId find_any(std::string_view text) const;  // of any type; a search through all pieces
  size_t longest() const { return longest_; }     // bytes of the longest piece that find() may return

  // No piece goes on behind a character other than the mark with a mark, and the mark is a piece: then no segmentation crosses
  // the front of a run of marks, and the words between can be segmented one by one.
  bool marks_start_words() const { return marks_start_words_; }

  TokenId unknown() const { return unknown_; }
  // kNoToken if there is no byte piece for it.
  TokenId byte_id(unsigned char byte) const { return byte_ids_[byte]; }
  bool spells_bytes(std::string_view bytes) const;  // there is a byte piece for each
  void drop_byte_fallback() { byte_ids_.fill(kNoToken); }
  // Appends what a run of bytes that no piece spells becomes: byte pieces, else one unknown id (a run joins the one before).
  void append_fallback(std::string_view bytes, bool joins_previous, std::vector<TokenId>& ids) const;

 private:
  explicit Vocab(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {}

  std::vector<Piece> pieces_;
  std::unordered_map<std::string_view, TokenId> text_ids_;
  std::array<TokenId, 256> byte_ids_{};
  TokenId unknown_ = kNoToken;
  PieceText written_ = PieceText::marked;
  size_t longest_ = 0;
  bool marks_start_words_ = false;
};

// The value of a byte piece "<0x0A>", or -1 if the text is not one.
int byte_piece_value(std::string_view text);

}  // namespace siskin
