// parse_hf_tokenizer: vocabulary, merges and added tokens; hf_pipeline.cpp reads what surrounds them.
#include "formats/tokenizer/hf_json.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "formats/tokenizer/hf_pipeline.h"
#include "formats/tokenizer/json_fields.h"
#include "formats/try.h"

namespace siskin {
namespace {

// Ids may leave holes, but not so many that a small file asks for a large table.
constexpr size_t kMaxHoles = 4096;

Status grow_to(const JsonView& where, TokenId id, size_t named, std::vector<Piece>& pieces) {
  const auto index = static_cast<size_t>(id);
  if (index < pieces.size()) return {};
  if (index > named + kMaxHoles || index >= kMaxPieces) {
    return where.corrupt("the id " + std::to_string(id) + " in a vocabulary of " + std::to_string(named) + " pieces");
  }
  pieces.resize(index + 1, Piece{"", 0.0F, PieceType::unused});
  return {};
}

Status read_bpe_vocab(const JsonView& model, TokenizerSpec& spec) {
  const auto vocab = model.member("vocab");
  if (!vocab || !vocab->is_object()) return model.corrupt("a BPE model without a vocab object");
  for (const auto& [text, value] : vocab->json().items()) {
    SISKIN_TRY(const TokenId id, JsonView(value, vocab->path() + " \"" + text + "\"").id());
    SISKIN_TRY_STATUS(grow_to(*vocab, id, vocab->size(), spec.pieces));
    Piece& piece = spec.pieces[static_cast<size_t>(id)];
    if (!piece.text.empty()) return vocab->corrupt("two pieces have the id " + std::to_string(id));
    piece = {text, 0.0F, PieceType::normal};
  }
  return {};
}

Status read_merges(const JsonView& model, TokenizerSpec& spec) {
  const auto merges = model.member("merges");
  if (!merges || !merges->is_array()) return model.corrupt("a BPE model without a merges array");
  spec.merges.reserve(merges->size());
  for (size_t i = 0; i < merges->size(); ++i) {
    const nlohmann::json& merge = merges->json()[i];
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      spec.merges.emplace_back(merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>());
    } else if (merge.is_string()) {
      const std::string& pair = merge.get_ref<const std::string&>();
      const size_t space = pair.find(' ');
      if (space == std::string::npos) return merges->element(i).corrupt("expected two pieces with a space between");
      spec.merges.emplace_back(pair.substr(0, space), pair.substr(space + 1));
    } else {
      return merges->element(i).corrupt("expected a string or two strings");
    }
  }
  return {};
}

Status read_bpe(const JsonView& model, TokenizerSpec& spec) {
  spec.segmenter = SegmenterKind::ranked_bpe;
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    SISKIN_TRY(const std::string affix, model.string_or(key, ""));
    if (!affix.empty()) return model.unsupported(key);
  }
  SISKIN_TRY_STATUS(read_bpe_vocab(model, spec));
  SISKIN_TRY_STATUS(read_merges(model, spec));
  SISKIN_TRY(spec.ranked_options.ignore_merges, model.boolean_or("ignore_merges", false));
  SISKIN_TRY(spec.ranked_options.fuse_unknown, model.boolean_or("fuse_unk", false));
  SISKIN_TRY(const std::string unknown, model.string_or("unk_token", ""));
  if (unknown.empty()) return {};
  const auto it =
      std::find_if(spec.pieces.begin(), spec.pieces.end(), [&](const Piece& piece) { return piece.text == unknown; });
  if (it == spec.pieces.end()) return model.corrupt("the unk_token \"" + unknown + "\" is not in the vocab");
  spec.unknown = static_cast<TokenId>(it - spec.pieces.begin());
  return {};
}

Status read_unigram(const JsonView& model, TokenizerSpec& spec) {
  spec.segmenter = SegmenterKind::unigram;
  const auto vocab = model.member("vocab");
  if (!vocab || !vocab->is_array()) return model.corrupt("a Unigram model without a vocab array");
  if (vocab->size() > kMaxPieces) return vocab->corrupt(std::to_string(vocab->size()) + " pieces");
  spec.pieces.reserve(vocab->size());
  for (const nlohmann::json& entry : vocab->json()) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) {
      return vocab->element(spec.pieces.size()).corrupt("expected [piece, score]");
    }
    spec.pieces.push_back({entry[0].get<std::string>(), static_cast<float>(entry[1].get<double>()), PieceType::normal});
  }
  if (const auto unknown = model.member("unk_id")) {
    SISKIN_TRY(spec.unknown, unknown->id());
    if (static_cast<size_t>(spec.unknown) >= spec.pieces.size()) return unknown->corrupt("no piece has this id");
  }
  return {};
}

Status read_added_token(const JsonView& entry, size_t named, TokenizerSpec& spec) {
  const auto id_field = entry.member("id");
  const auto content = entry.member("content");
  if (!id_field || !content) return entry.corrupt("an added token without id or content");
  SpecialToken token;
  SISKIN_TRY(token.id, id_field->id());
  SISKIN_TRY(token.text, content->string());
  SISKIN_TRY(token.control, entry.boolean_or("special", false));
  SISKIN_TRY(token.strip_left, entry.boolean_or("lstrip", false));
  SISKIN_TRY(token.strip_right, entry.boolean_or("rstrip", false));
  SISKIN_TRY(token.whole_word, entry.boolean_or("single_word", false));
  if (token.text.empty()) return entry.corrupt("an added token without text");
  SISKIN_TRY_STATUS(grow_to(entry, token.id, named, spec.pieces));
  Piece& piece = spec.pieces[static_cast<size_t>(token.id)];
  if (!piece.text.empty() && piece.text != token.text) {
    return entry.corrupt("\"" + token.text + "\" has the id of \"" + piece.text + "\"");
  }
  piece.text = token.text;
  piece.type = token.control ? PieceType::control : PieceType::user_defined;
  spec.specials.push_back(std::move(token));
  return {};
}

Status read_added_tokens(const JsonView& root, TokenizerSpec& spec) {
  const auto added = root.member("added_tokens");
  if (!added) return {};
  if (!added->is_array()) return added->corrupt("expected an array");
  const size_t named = spec.pieces.size() + added->size();
  for (size_t i = 0; i < added->size(); ++i) SISKIN_TRY_STATUS(read_added_token(added->element(i), named, spec));
  return {};
}

// Both kinds of model may spell unknown characters with byte pieces.
Status read_byte_fallback(const JsonView& model, TokenizerSpec& spec) {
  SISKIN_TRY(spec.byte_fallback, model.boolean_or("byte_fallback", false));
  if (!spec.byte_fallback) return {};
  for (Piece& piece : spec.pieces) {
    if (byte_piece_value(piece.text) >= 0) piece.type = PieceType::byte;
  }
  return {};
}

}  // namespace

Result<TokenizerSpec> parse_hf_tokenizer(const nlohmann::json& json) {
  const JsonView root(json, "tokenizer.json:");
  TokenizerSpec spec;
  const auto model = root.member("model");
  if (!model || !model->is_object()) return root.corrupt("has no model");
  // Files from before 2020 leave the type out where it is BPE.
  SISKIN_TRY(const std::string type, model->string_or("type", "BPE"));
  if (type != "BPE" && type != "Unigram") {
    return model->unsupported("the model type " + type + ", supported: BPE, Unigram");
  }
  SISKIN_TRY_STATUS(read_text_pipeline(root, spec));
  SISKIN_TRY_STATUS(type == "BPE" ? read_bpe(*model, spec) : read_unigram(*model, spec));
  SISKIN_TRY_STATUS(read_byte_fallback(*model, spec));
  SISKIN_TRY_STATUS(read_added_tokens(root, spec));
  if (spec.unknown != kNoToken) spec.pieces[static_cast<size_t>(spec.unknown)].type = PieceType::unknown;
  SISKIN_TRY(const bool has_template, read_post_processor(root, spec));
  // Llama's own class adds <s> where the file does not say.
  if (!has_template) spec.add_bos = type == "BPE" && spec.written == PieceText::marked;
  if (spec.written == PieceText::bytes) read_written_bytes(spec);
  return spec;
}

}  // namespace siskin
