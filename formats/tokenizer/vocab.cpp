// Vocab: checks the pieces of a file and indexes them.
#include "formats/tokenizer/vocab.h"

#include <algorithm>
#include <cmath>

namespace siskin {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Whether a mark follows another character inside the text.
bool has_inner_mark(std::string_view text) {
  size_t after_marks = 0;
  while (text.substr(after_marks, kSpaceMark.size()) == kSpaceMark) after_marks += kSpaceMark.size();
  return text.find(kSpaceMark, after_marks) != std::string_view::npos;
}

Error corrupt_piece(size_t id, const std::string& what) {
  return {ErrorCode::corrupt_file, "tokenizer: piece " + std::to_string(id) + ": " + what};
}

}  // namespace

int byte_piece_value(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return -1;
  const int high = hex_digit(text[3]);
  const int low = hex_digit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

Result<Vocab> Vocab::make(std::vector<Piece> pieces, TokenId unknown, PieceText written) {
  if (pieces.empty()) return Error{ErrorCode::corrupt_file, "tokenizer: the vocabulary is empty"};
  if (pieces.size() > kMaxPieces) {
    return Error{ErrorCode::corrupt_file,
                 "tokenizer: " + std::to_string(pieces.size()) + " pieces, expected at most " + std::to_string(kMaxPieces)};
  }
  Vocab vocab(std::move(pieces));
  if (unknown != kNoToken && !vocab.contains(unknown)) {
    return Error{ErrorCode::corrupt_file, "tokenizer: the unknown token's id is " + std::to_string(unknown) +
                                              ", expected less than " + std::to_string(vocab.size())};
  }
  vocab.unknown_ = unknown;
  vocab.written_ = written;
  vocab.byte_ids_.fill(kNoToken);
  vocab.text_ids_.reserve(vocab.size());
  bool inner_marks = false;
  for (size_t i = 0; i < vocab.size(); ++i) {
    const Piece& piece = vocab.pieces_[i];
    const auto id = static_cast<TokenId>(i);
    if (piece.text.size() > kMaxPieceBytes) {
      return corrupt_piece(i, std::to_string(piece.text.size()) + " bytes, expected at most " + std::to_string(kMaxPieceBytes));
    }
    if (!std::isfinite(piece.score)) return corrupt_piece(i, "its score is not a finite number");
    switch (piece.type) {
      case PieceType::normal:
      case PieceType::user_defined:
      case PieceType::unused:
        if (piece.text.empty() || (written == PieceText::bytes && piece.type != PieceType::normal)) break;
        vocab.text_ids_[piece.text] = id;
        inner_marks = inner_marks || has_inner_mark(piece.text);
        vocab.longest_ = std::max(vocab.longest_, piece.text.size());
        break;
      case PieceType::byte: {
        const int value = byte_piece_value(piece.text);
        if (value < 0) return corrupt_piece(i, "typed as a byte, but not written <0xXX>");
        vocab.byte_ids_[static_cast<size_t>(value)] = id;
        break;
      }
      case PieceType::unknown:
      case PieceType::control:
        break;
    }
  }
  vocab.marks_start_words_ = written == PieceText::marked && !inner_marks && vocab.find(kSpaceMark) != kNoToken;
  return vocab;
}

TokenId Vocab::find(std::string_view text) const {
  const auto it = text_ids_.find(text);
  return it == text_ids_.end() ? kNoToken : it->second;
}

TokenId Vocab::find_any(std::string_view text) const {
  const auto it = std::find_if(pieces_.begin(), pieces_.end(), [&](const Piece& piece) { return piece.text == text; });
  return it == pieces_.end() ? kNoToken : static_cast<TokenId>(it - pieces_.begin());
}

bool Vocab::spells_bytes(std::string_view bytes) const {
  return std::all_of(bytes.begin(), bytes.end(), [&](char c) { return byte_id(static_cast<unsigned char>(c)) != kNoToken; });
}

void Vocab::append_fallback(std::string_view bytes, bool joins_previous, std::vector<TokenId>& ids) const {
  if (spells_bytes(bytes)) {
    for (const char c : bytes) ids.push_back(byte_id(static_cast<unsigned char>(c)));
  } else if (unknown_ != kNoToken && !joins_previous) {
    ids.push_back(unknown_);
  }
}

}  // namespace siskin
