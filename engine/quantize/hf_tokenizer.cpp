// From tokenizer.model or tokenizer.json to tokenizer.ggml.* keys.
#include "engine/quantize/hf_tokenizer.h"

#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "formats/tokenizer/folder_spec.h"
#include "formats/tokenizer/sentencepiece_file.h"
#include "formats/tokenizer/to_gguf.h"
#include "formats/try.h"

namespace siskin {
namespace {

namespace fs = std::filesystem;

Result<TokenizerSpec> read_pieces(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error{ErrorCode::io, path.string() + ": cannot be read"};
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  auto spec = parse_sentencepiece(bytes);
  if (!spec) return Error{spec.error().code, path.string() + ": " + spec.error().message};
  return spec;
}

// tokenizer.model says scores and rules outright; what stands around a text is for the folder's other files to say.
Result<TokenizerSpec> read_tokenizer(const fs::path& folder) {
  std::error_code ignored;
  SISKIN_TRY(TokenizerSpec of_folder, read_folder_tokenizer(folder));
  if (!fs::exists(folder / "tokenizer.model", ignored)) return of_folder;
  SISKIN_TRY(TokenizerSpec spec, read_pieces(folder / "tokenizer.model"));
  if (of_folder.pieces.size() > spec.pieces.size()) {  // added tokens
    spec.pieces.insert(spec.pieces.end(), of_folder.pieces.begin() + static_cast<ptrdiff_t>(spec.pieces.size()),
                       of_folder.pieces.end());
  }
  spec.bos = of_folder.bos;
  spec.eos = of_folder.eos;
  spec.add_bos = of_folder.add_bos;
  return spec;
}

}  // namespace

Status add_folder_tokenizer(const fs::path& folder, size_t n_vocab, Metadata& metadata) {
  std::error_code ignored;
  if (!fs::exists(folder / "tokenizer.model", ignored) && !fs::exists(folder / "tokenizer.json", ignored)) return {};
  SISKIN_TRY(const TokenizerSpec spec, read_tokenizer(folder));
  auto written = tokenizer_to_gguf(spec, n_vocab, metadata);
  if (!written) return Error{written.error().code, folder.string() + ": " + written.error().message};
  return {};
}

}  // namespace siskin
