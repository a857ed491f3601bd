// Fuzzes the readers of tokenizer files and, behind them, encoding and decoding. The first byte picks the file.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "formats/check.h"
#include "formats/tokenizer/hf_json.h"
#include "formats/tokenizer/json_fields.h"
#include "formats/tokenizer/sentencepiece_file.h"

namespace {

using siskin::Result;
using siskin::TokenizerSpec;

Result<TokenizerSpec> spec_of(bool json, std::string_view bytes) {
  if (!json) return siskin::parse_sentencepiece(bytes);
  const auto parsed = siskin::parse_json_object(bytes, "tokenizer.json");
  if (!parsed) return parsed.error();
  return siskin::parse_hf_tokenizer(*parsed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Result<TokenizerSpec> spec = spec_of(data[0] % 2 == 1, bytes);
  if (!spec) return 0;
  const Result<siskin::Tokenizer> tokenizer = siskin::make_tokenizer(*std::move(spec));
  if (!tokenizer) return 0;
  // The file itself is as good a text as any: it holds the pieces.
  const auto ids = tokenizer->encode(bytes.substr(0, 4096), {.add_bos = true, .parse_special = true});
  for (const siskin::TokenId id : ids) SISKIN_CHECK(id >= 0 && static_cast<size_t>(id) < tokenizer->size());
  tokenizer->decode(ids);
  return 0;
}
