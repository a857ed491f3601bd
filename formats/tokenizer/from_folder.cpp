// Tokenizer::from_folder: tokenizer.json or tokenizer.model, and what the configs beside it say about BOS and EOS.
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "formats/tokenizer/folder_spec.h"
#include "formats/tokenizer/hf_json.h"
#include "formats/tokenizer/json_fields.h"
#include "formats/tokenizer/model.h"
#include "formats/tokenizer/sentencepiece_file.h"
#include "formats/try.h"

namespace siskin {
namespace {

namespace fs = std::filesystem;

// The largest tokenizer.json published so far is about 35 MB.
constexpr uintmax_t kMaxFileBytes = uintmax_t{1} << 28;

// Nothing: there is no such file. Errors: io; corrupt_file (too large).
Result<std::optional<std::string>> read_file(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return std::optional<std::string>();
  if (!fs::is_regular_file(status)) return Error{ErrorCode::io, path.string() + ": not a regular file"};
  const uintmax_t bytes = fs::file_size(path, error);
  if (error) return Error{ErrorCode::io, path.string() + ": " + error.message()};
  if (bytes > kMaxFileBytes) {
    return Error{ErrorCode::corrupt_file,
                 path.string() + ": " + std::to_string(bytes) + " bytes, expected at most " + std::to_string(kMaxFileBytes)};
  }
  std::string text(static_cast<size_t>(bytes), '\0');
  std::ifstream stream(path, std::ios::binary);
  if (!stream.read(text.data(), static_cast<std::streamsize>(text.size()))) {
    return Error{ErrorCode::io, path.string() + ": cannot be read"};
  }
  return std::optional<std::string>(std::move(text));
}

Result<std::optional<nlohmann::json>> read_json(const fs::path& folder, const char* name) {
  SISKIN_TRY(const std::optional<std::string> text, read_file(folder / name));
  if (!text) return std::optional<nlohmann::json>();
  SISKIN_TRY(nlohmann::json json, parse_json_object(*text, name));
  return std::optional<nlohmann::json>(std::move(json));
}

TokenId id_of(std::string_view text, const std::vector<Piece>& pieces) {
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].text == text) return static_cast<TokenId>(i);
  }
  return kNoToken;
}

// "bos_token": "<s>" or {"content": "<s>"}. A name that is no piece changes nothing.
Status read_named_token(const JsonView& config, const char* key, const std::vector<Piece>& pieces, TokenId& id) {
  const auto field = config.member(key);
  if (!field) return {};
  const auto content = field->member("content");
  SISKIN_TRY(const std::string text, content ? content->string() : field->string());
  const TokenId named = id_of(text, pieces);
  if (named != kNoToken) id = named;
  return {};
}

// added_tokens_decoder: {"32000": {"content": "<|im_start|>", "special": true, ...}}, for a tokenizer.model alone.
Status read_added_tokens_decoder(const JsonView& config, TokenizerSpec& spec) {
  const auto added = config.member("added_tokens_decoder");
  if (!added) return {};
  if (!added->is_object()) return added->corrupt("expected an object");
  const size_t limit = spec.pieces.size() + added->size();
  spec.pieces.reserve(limit);
  for (const auto& [key, value] : added->json().items()) {
    const JsonView entry(value, added->path() + "." + key);
    const auto content = entry.member("content");
    if (!content) return entry.corrupt("has no content");
    SpecialToken token;
    SISKIN_TRY(token.text, content->string());
    SISKIN_TRY(token.control, entry.boolean_or("special", false));
    SISKIN_TRY(token.strip_left, entry.boolean_or("lstrip", false));
    SISKIN_TRY(token.strip_right, entry.boolean_or("rstrip", false));
    const bool digits = !key.empty() && key.size() < 9 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || token.text.empty()) return entry.corrupt("expected an id as the key and a content that is not empty");
    const size_t id = std::stoul(key);
    if (id >= limit) return entry.corrupt("the id lies past the vocabulary's end");
    if (id >= spec.pieces.size()) spec.pieces.resize(id + 1, Piece{"", 0.0F, PieceType::unused});
    Piece& piece = spec.pieces[id];
    if (piece.type == PieceType::unknown || piece.type == PieceType::byte) continue;
    piece.text = token.text;
    piece.type = token.control ? PieceType::control : PieceType::user_defined;
    token.id = static_cast<TokenId>(id);
    spec.specials.push_back(std::move(token));
  }
  return {};
}

// Prefix rules of a tokenizer.model: `legacy` false means once, at the text's start.
void apply_legacy(bool legacy, TextRules& rules) {
  for (TextStep& step : rules.steps) {
    if (auto* prepend = std::get_if<PrependStep>(&step); prepend != nullptr && !legacy) prepend->at = PrefixAt::text_start;
  }
}

Status apply_tokenizer_config(const JsonView& config, bool from_json, TokenizerSpec& spec) {
  if (!from_json) {
    SISKIN_TRY_STATUS(read_added_tokens_decoder(config, spec));
    SISKIN_TRY(const bool legacy, config.boolean_or("legacy", true));
    apply_legacy(legacy, spec.rules);
  }
  SISKIN_TRY_STATUS(read_named_token(config, "bos_token", spec.pieces, spec.bos));
  SISKIN_TRY_STATUS(read_named_token(config, "eos_token", spec.pieces, spec.eos));
  SISKIN_TRY(spec.add_bos, config.boolean_or("add_bos_token", spec.add_bos));
  SISKIN_TRY(spec.add_eos, config.boolean_or("add_eos_token", spec.add_eos));
  return {};
}

// bos_token_id and eos_token_id of config.json and generation_config.json: a number or a list of numbers. They name tokens that
// the tokenizer's own files left open, and all that end generation.
Status apply_model_config(const JsonView& config, TokenizerSpec& spec) {
  const auto in_vocab = [&](const JsonView& value, TokenId& id) -> Status {
    SISKIN_TRY(id, value.id());
    // A model may have more rows than its tokenizer has pieces; such an id is never spoken of here.
    if (static_cast<size_t>(id) >= spec.pieces.size()) id = kNoToken;
    return {};
  };
  const auto bos = config.member("bos_token_id");
  if (bos && bos->is_integer() && spec.bos == kNoToken) SISKIN_TRY_STATUS(in_vocab(*bos, spec.bos));
  const auto eos = config.member("eos_token_id");
  if (!eos) return {};
  for (size_t i = 0; i < (eos->is_array() ? eos->size() : 1); ++i) {
    TokenId id = kNoToken;
    SISKIN_TRY_STATUS(in_vocab(eos->is_array() ? eos->element(i) : *eos, id));
    if (id == kNoToken) continue;
    spec.end_ids.insert(id);
    if (spec.eos == kNoToken) spec.eos = id;
  }
  return {};
}

struct TokenizerFile {
  TokenizerSpec spec;
  bool from_json;
};

Result<TokenizerFile> read_tokenizer_file(const fs::path& folder) {
  SISKIN_TRY(const auto json, read_json(folder, "tokenizer.json"));
  if (json) {
    SISKIN_TRY(TokenizerSpec spec, parse_hf_tokenizer(*json));
    return TokenizerFile{std::move(spec), true};
  }
  SISKIN_TRY(const auto proto, read_file(folder / "tokenizer.model"));
  if (!proto) {
    return Error{ErrorCode::not_found, folder.string() + ": holds neither tokenizer.json nor tokenizer.model"};
  }
  SISKIN_TRY(TokenizerSpec spec, parse_sentencepiece(*proto));
  return TokenizerFile{std::move(spec), false};
}

}  // namespace

Result<TokenizerSpec> read_folder_tokenizer(const std::filesystem::path& folder) {
  SISKIN_TRY(TokenizerFile file, read_tokenizer_file(folder));
  SISKIN_TRY(const auto tokenizer_config, read_json(folder, "tokenizer_config.json"));
  if (tokenizer_config) {
    const JsonView view(*tokenizer_config, "tokenizer_config.json:");
    SISKIN_TRY_STATUS(apply_tokenizer_config(view, file.from_json, file.spec));
  }
  for (const char* name : {"config.json", "generation_config.json"}) {
    SISKIN_TRY(const auto config, read_json(folder, name));
    if (config) SISKIN_TRY_STATUS(apply_model_config(JsonView(*config, std::string(name) + ":"), file.spec));
  }
  return std::move(file.spec);
}

Result<Tokenizer> Tokenizer::from_folder(const std::filesystem::path& folder) {
  SISKIN_TRY(TokenizerSpec spec, read_folder_tokenizer(folder));
  return make_tokenizer(std::move(spec));
}

}  // namespace siskin
