// Tokenizer: text to token ids and back. SentencePiece-style BPE, byte-level BPE and unigram models; other kinds come as files of their own.
#pragma once

#include <siskin/result.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/metadata.h"

namespace siskin {

using TokenId = int32_t;

struct EncodeOptions {
  bool add_bos = true;         // prepend <s> if the model asks for it
  bool parse_special = false;  // true: control tokens written in the text ("</s>") become their ids
};

// Immutable; may be used from several threads at once.
class Tokenizer {
 public:
  // From the `tokenizer.ggml.*` keys. Errors: unsupported (a tokenizer.ggml.model not built), corrupt_file (lengths that
  // disagree, ids out of range), not_found (no tokenizer in the file).
  static Result<Tokenizer> from_metadata(const Metadata& metadata);
  // From a Hugging Face folder: tokenizer.json if there, else tokenizer.model; tokenizer_config.json and config.json decide
  // BOS/EOS.
  static Result<Tokenizer> from_folder(const std::filesystem::path& folder);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const;
  // The bytes that these ids spell; control tokens spell nothing. The leading space that SentencePiece adds is dropped when
  // `ids` starts a text (starts_text).
  std::string decode(std::span<const TokenId> ids, bool starts_text = true) const;
  std::string piece(TokenId id) const;  // the bytes of one token inside a text (" world"), for streaming

  size_t size() const;
  TokenId bos() const;  // -1: none
  TokenId eos() const;
  bool ends_generation(TokenId id) const;
  bool adds_bos() const;
  const char* kind() const;  // "spm-bpe", "byte-bpe", "unigram"

  class Model;  // the algorithm behind it (tokenizer/model.h)
  explicit Tokenizer(std::unique_ptr<const Model> model);

 private:
  std::unique_ptr<const Model> model_;
};

}  // namespace siskin
