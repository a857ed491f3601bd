// Tokenizers of real files against ids from sentencepiece, from llama.cpp and from `tokenizers`.
#include <algorithm>

#include "tests/formats/tokenizer_test_support.h"

using namespace siskin;
using namespace siskin::tokenizer_tests;

namespace {

struct Known {
  std::string text;
  std::vector<TokenId> ids;
};

// sentencepiece's own ids with the zoo's tokenizer.model.
const std::vector<Known> kZoo = {
    {"Hello world", {1, 432, 289, 4028, 933}},
    {"She said: \"It's 42\u00b0 in the caf\u00e9\u2014really?\"\n\nChapter XII",
     {1,    637, 418, 4078, 322, 1161, 4052, 4032, 4024, 4093, 4087, 197,  179, 291,  263,  1178,
      4040, 198, 172, 229,  131, 151,  267,  610,  530,  13,   13,   4065, 269, 3678, 2638, 4007}},
    {"  two  spaces, unbelievable antidisestablishmentarianism\ttab",
     {1,    4024, 4024, 678, 4024, 522,  1330, 4043, 518, 4045, 523, 465,  4047, 556,
      2761, 317,  276,  426, 614,  1909, 604,  294,  892, 2032, 12,  4026, 614}},
    {"", {1}},
};

// `tokenizers` 0.x with tinystories-656K's tokenizer.json.
const std::vector<Known> kTinyStories = {
#include "tests/formats/tokenizer_tinystories.inc"
};

void check_known(const Tokenizer& tokenizer, const std::vector<Known>& known) {
  for (const Known& one : known) {
    CAPTURE(one.text);
    CHECK(tokenizer.encode(one.text) == one.ids);
    // An unknown character is lost.
    const bool lossless = std::find(one.ids.begin(), one.ids.end(), 0) == one.ids.end();
    if (lossless) CHECK(tokenizer.decode(one.ids) == one.text);
  }
}

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  size_t at = 0;
  for (size_t hit = text.find(separator); hit != std::string::npos; hit = text.find(separator, at)) {
    parts.push_back(text.substr(at, hit - at));
    at = hit + separator.size();
  }
  parts.push_back(text.substr(at));
  return parts;
}

// llama.cpp's vocabularies: cases in .inp, the ids of each on a line of .out, without BOS.
void check_llama_cpp(const std::string& name) {
  const auto path = test_data("data/tokenizers/" + name);
  if (!path) return;
  const Tokenizer tokenizer = tokenizer_of_gguf(*path);
  const auto cases = split(file_bytes(path->string() + ".inp"), "\n__ggml_vocab_test__\n");
  auto lines = split(file_bytes(path->string() + ".out"), "\n");
  if (lines.back().empty()) lines.pop_back();
  // The last separator is followed by nothing.
  REQUIRE(cases.size() >= lines.size());
  REQUIRE(lines.size() > 40);
  for (size_t i = 0; i < lines.size(); ++i) {
    std::istringstream numbers(lines[i]);
    std::vector<TokenId> expected;
    for (TokenId id = 0; numbers >> id;) expected.push_back(id);
    CAPTURE(name, i, cases[i]);
    CHECK(tokenizer.encode(cases[i], {.add_bos = false}) == expected);
    CHECK(tokenizer.decode(expected) == cases[i]);
  }
}

}  // namespace

TEST_CASE("tokenizer: the zoo's GGUF files and tokenizer.model give sentencepiece's ids", "[tokenizer]") {
  for (const char* file : {"dense-s-f16.gguf", "dense-m-f16.gguf", "moe-8x-f16.gguf", "pruned-m-f16.gguf"}) {
    const auto path = test_data(std::string("models/zoo/") + file);
    if (!path) continue;
    const Tokenizer tokenizer = tokenizer_of_gguf(*path);
    CHECK(std::string(tokenizer.kind()) == "spm-bpe");
    CHECK(tokenizer.size() == 4096);
    check_known(tokenizer, kZoo);
  }
  for (const char* folder : {"models/zoo/dense-m", "models/zoo/moe-8x"}) {
    const auto path = test_data(folder);
    if (!path) continue;
    const Tokenizer tokenizer = must(Tokenizer::from_folder(*path));
    CHECK(tokenizer.bos() == 1);
    CHECK(tokenizer.eos() == 2);
    CHECK(tokenizer.adds_bos());
    CHECK(tokenizer.ends_generation(2));
    CHECK_FALSE(tokenizer.ends_generation(13));
    check_known(tokenizer, kZoo);
  }
}

TEST_CASE("tokenizer: the zoo's test text has 86,629 ids", "[tokenizer]") {
  const auto path = test_data("models/zoo/eval/test.txt");
  const auto folder = test_data("models/zoo/dense-m");
  const auto gguf = test_data("models/zoo/dense-m-f16.gguf");
  if (!path || !folder || !gguf) return;
  std::string text = file_bytes(*path);
  REQUIRE(text.back() == '\n');
  text.pop_back();
  const auto ids = must(Tokenizer::from_folder(*folder)).encode(text);
  CHECK(ids.size() == 86629);
  const Tokenizer tokenizer = tokenizer_of_gguf(*gguf);
  CHECK(tokenizer.encode(text) == ids);
  CHECK(tokenizer.decode(ids) == text);
}

TEST_CASE("tokenizer: llama.cpp's llama-spm and phi-3 vectors", "[tokenizer]") {
  check_llama_cpp("ggml-vocab-llama-spm.gguf");
  check_llama_cpp("ggml-vocab-phi-3.gguf");
}

TEST_CASE("tokenizer: llama.cpp's byte-level vectors", "[tokenizer]") {
  check_llama_cpp("ggml-vocab-gpt-2.gguf");
  check_llama_cpp("ggml-vocab-deepseek-llm.gguf");
}

TEST_CASE("tokenizer: tokenizer.json of tinystories-656K gives the ids of `tokenizers`", "[tokenizer]") {
  const auto path = test_data("models/tinystories-656K");
  if (!path) return;
  const Tokenizer tokenizer = must(Tokenizer::from_folder(*path));
  CHECK(tokenizer.size() == 2048);
  CHECK(tokenizer.bos() == 1);
  CHECK(tokenizer.eos() == 2);
  CHECK(tokenizer.adds_bos());
  check_known(tokenizer, kTinyStories);
  CHECK(tokenizer.encode("<|end_story|>", {.add_bos = false, .parse_special = true}) == std::vector<TokenId>{2});
  CHECK(tokenizer.encode("<|end_story|>", {.add_bos = false}).size() > 1);
}

TEST_CASE("tokenizer: stories260K, and kinds that are not built", "[tokenizer]") {
  if (const auto path = test_data("models/stories260K/stories260K.gguf")) {
    const Tokenizer tokenizer = tokenizer_of_gguf(*path);
    CHECK(tokenizer.size() == 512);
    CHECK(tokenizer.decode(tokenizer.encode("Once upon a time, there was \u00e9")) == "Once upon a time, there was \u00e9");
  }
  for (const char* file : {"ggml-vocab-bert-bge.gguf"}) {
    const auto path = test_data(std::string("data/tokenizers/") + file);
    if (!path) continue;
    const std::string bytes = file_bytes(*path);
    const auto contents = parse_gguf(std::as_bytes(std::span(bytes)), file);
    REQUIRE(contents);
    const auto tokenizer = Tokenizer::from_metadata(contents->metadata);
    REQUIRE_FALSE(tokenizer);
    CHECK(tokenizer.error().code == ErrorCode::unsupported);
    const bool names_it = tokenizer.error().message.find("gpt2") != std::string::npos ||
                          tokenizer.error().message.find("bert") != std::string::npos;
    CHECK(names_it);
  }
}
