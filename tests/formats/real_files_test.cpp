// Quantised models that other people published: every weight decodes to what gguf-py makes of it, and wikitext-2's test text
// has llama.cpp's token ids. The files are looked for in SISKIN_REAL_MODELS, else in the test data's folder "real"; FORMATS.md
// says where they come from.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "formats/blocks/codec.h"
#include "formats/model_file.h"
#include "formats/tokenizer/tokenizer.h"
#include "tests/formats/tokenizer_test_support.h"
#include "tests/places.h"

using namespace siskin;
using namespace siskin::tokenizer_tests;

namespace {

// weights: by tensors in the order of their names, hash = hash * 1099511628211 + sum_i bits_i * (2i + 1) mod 2^64, over the
// bits of gguf-py 0.19's dequantize (F32). ids: sum_i id_i * (2i + 1), of `llama-tokenize --no-bos --no-parse-special`.
struct RealFile {
  const char* name;
  size_t tensors;
  uint64_t weights;
  size_t n_ids;
  uint64_t ids;
};
constexpr RealFile kFiles[] = {
    {"gemma-3-270m-q4_k_m.gguf", 236, 13041174297724556988U, 310431, 4775974833339303U},
    {"qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", 291, 10374633317378162984U, 309009, 654967062668427U},
    {"qwen2.5-coder-1.5b-q4_k_m.gguf", 339, 15465494553897095284U, 309009, 654967062668427U},
};

std::filesystem::path real_models() {
  const char* set = std::getenv("SISKIN_REAL_MODELS");
  return set != nullptr ? std::filesystem::path(set) : places::test_data() / "real";
}

uint64_t hash_of(const TensorView& tensor) {
  uint64_t hash = 0, at = 0;
  std::vector<float> row(tensor.cols());
  for (const std::byte* slice : tensor.slices) {
    for (size_t r = 0; r < tensor.rows(); ++r) {
      decode_row(tensor.type, slice + r * row_bytes(tensor.type, tensor.cols()), row.data(), row.size());
      for (const float value : row) {
        uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        hash += bits * (2 * at++ + 1);
      }
    }
  }
  return hash;
}

}  // namespace

TEST_CASE("real files decode and tokenize as gguf-py and llama.cpp do", "[real]") {
  for (const RealFile& real : kFiles) {
    const auto path = real_models() / real.name;
    if (!std::filesystem::exists(path)) {
      std::cout << "skipped: " << path.string() << " is not there\n";
      continue;
    }
    CAPTURE(real.name);
    const auto file = ModelFile::open(path);
    REQUIRE(file);
    std::vector<const TensorView*> tensors;
    for (const TensorView& tensor : file->tensors()) tensors.push_back(&tensor);
    std::sort(tensors.begin(), tensors.end(), [](const TensorView* a, const TensorView* b) { return a->name < b->name; });
    CHECK(tensors.size() == real.tensors);
    uint64_t hash = 0;
    for (const TensorView* tensor : tensors) hash = hash * 1099511628211U + hash_of(*tensor);
    CHECK(hash == real.weights);

    const auto text = test_data("data/text/wikitext-2-test.txt");
    if (!text) continue;
    const Tokenizer tokenizer = must(Tokenizer::from_metadata(file->metadata()));
    const auto ids = tokenizer.encode(file_bytes(*text), {.add_bos = false});
    CHECK(ids.size() == real.n_ids);
    uint64_t sum = 0;
    for (size_t i = 0; i < ids.size(); ++i) sum += static_cast<uint64_t>(ids[i]) * (2 * i + 1);
    CHECK(sum == real.ids);
  }
}
