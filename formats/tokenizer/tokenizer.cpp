// Tokenizer: the public face of Tokenizer::Model. Where tokenizers are read from: from_gguf.cpp and from_folder.cpp.
#include "formats/tokenizer/tokenizer.h"

#include <utility>

#include "formats/tokenizer/model.h"

namespace siskin {

Tokenizer::Tokenizer(std::unique_ptr<const Model> model) : model_(std::move(model)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  return model_->encode(text, options);
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool starts_text) const {
  std::string text;
  bool first = starts_text && model_->drops_first_space();
  for (const TokenId id : ids) {
    const size_t begin = text.size();
    if (!model_->append_text(id, text) || !first) continue;
    first = false;
    // The space in front was added by encoding; a byte piece that spells a space was not.
    if (text[begin] == ' ' && model_->vocab()[id].type != PieceType::byte) text.erase(begin, 1);
  }
  return text;
}

std::string Tokenizer::piece(TokenId id) const {
  std::string text;
  model_->append_text(id, text);
  return text;
}

size_t Tokenizer::size() const { return model_->vocab().size(); }
TokenId Tokenizer::bos() const { return model_->bos(); }
TokenId Tokenizer::eos() const { return model_->eos(); }
bool Tokenizer::ends_generation(TokenId id) const { return model_->ends_generation(id); }
bool Tokenizer::adds_bos() const { return model_->adds_bos(); }
const char* Tokenizer::kind() const { return model_->kind(); }

}  // namespace siskin
