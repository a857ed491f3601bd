// Properties that hold for every text: decoding undoes encoding, no bytes crash, and time grows with length, not its square.
#include <chrono>

#include "tests/formats/tokenizer_test_support.h"

using namespace siskin;
using namespace siskin::tokenizer_tests;

namespace {

constexpr EncodeOptions kPlain = {.add_bos = false, .parse_special = false};

std::vector<TestPiece> small_pieces() {
  std::vector<TestPiece> own;
  double score = -1;
  const std::vector<std::string> texts{"the",
                                       kMark + "the",
                                       "th",
                                       kMark + "t",
                                       "in",
                                       "ing",
                                       "\n\n",
                                       kMark + kMark,
                                       "\xC3\xA9",
                                       "\xE2\x80\x94",
                                       "aa",
                                       "aaa",
                                       "aaaa",
                                       "aaaaaaaa",
                                       "\xF0\x9F\xA6",
                                       kMark + "aaaa",
                                       "0",
                                       "00",
                                       "e",
                                       "a",
                                       "h",
                                       "t",
                                       "n",
                                       "i",
                                       "g",
                                       kMark,
                                       "\n"};
  for (const std::string& text : texts) own.push_back({text, score -= 0.37});
  return pieces_with(own, true);
}

std::vector<std::pair<std::string, Tokenizer>> tokenizers() {
  std::vector<std::pair<std::string, Tokenizer>> all;
  all.emplace_back("small spm-bpe", must(Tokenizer::from_metadata(metadata_of(small_pieces()))));
  all.emplace_back("small unigram", must(Tokenizer::from_metadata(metadata_of(small_pieces(), "t5"))));
  if (const auto path = test_data("models/zoo/dense-s-f16.gguf")) all.emplace_back("zoo", tokenizer_of_gguf(*path));
  if (const auto path = test_data("data/tokenizers/ggml-vocab-llama-spm.gguf")) {
    all.emplace_back("llama-spm", tokenizer_of_gguf(*path));
  }
  return all;
}

void append_utf8(uint32_t point, std::string& text) {
  if (point < 0x80) {
    text += static_cast<char>(point);
  } else if (point < 0x800) {
    text += static_cast<char>(0xC0 | point >> 6);
    text += static_cast<char>(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    text += static_cast<char>(0xE0 | point >> 12);
    text += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    text += static_cast<char>(0xF0 | point >> 18);
    text += static_cast<char>(0x80 | (point >> 12 & 0x3F));
    text += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (point & 0x3F));
  }
}

// Letters, spaces and all planes; not U+2581, which SentencePiece itself reads as a space.
std::string random_text(std::mt19937& random) {
  std::string text;
  const size_t length = random() % 60;
  for (size_t i = 0; i < length; ++i) {
    const auto kind = static_cast<uint32_t>(random() % 8);
    const uint32_t planes = kind == 5 ? 0x80 : kind == 6 ? 0x3000 : 0x110000;
    const auto any = static_cast<uint32_t>(random());
    uint32_t point = kind < 3 ? 'a' + any % 26 : kind < 5 ? ' ' : any % planes;
    if (point == 0x2581 || (point >= 0xD800 && point < 0xE000)) point = '\n';
    append_utf8(point, text);
  }
  return text;
}

}  // namespace

TEST_CASE("tokenizer: decode(encode(x)) is x for valid UTF-8", "[tokenizer]") {
  std::mt19937 random(7);
  for (const auto& [name, tokenizer] : tokenizers()) {
    for (int i = 0; i < 1500; ++i) {
      const std::string text = random_text(random);
      CAPTURE(name, text);
      const auto ids = tokenizer.encode(text);
      REQUIRE(tokenizer.decode(ids) == text);
      std::string streamed;
      for (const TokenId id : ids) streamed += tokenizer.piece(id);
      REQUIRE(streamed == (text.empty() ? "" : " " + text));
    }
  }
}

TEST_CASE("tokenizer: arbitrary bytes encode to ids of the vocabulary and come back", "[tokenizer]") {
  std::mt19937 random(11);
  for (const auto& [name, tokenizer] : tokenizers()) {
    for (int i = 0; i < 1500; ++i) {
      std::string text(random() % 80, '\0');
      for (char& c : text)
        c = static_cast<char>(random() % 4 == 0 ? "\xE2\x96\x81\xF0\xC3\xED\xA0\xFF"[random() % 8] : random());
      if (text.find(kMark) != std::string::npos) continue;
      CAPTURE(name);
      const auto ids = tokenizer.encode(text, {.add_bos = true, .parse_special = true});
      for (const TokenId id : ids) REQUIRE((id >= 0 && static_cast<size_t>(id) < tokenizer.size()));
      if (text.find('<') == std::string::npos) REQUIRE(tokenizer.decode(ids) == text);
    }
  }
}

TEST_CASE("tokenizer: arbitrary ids decode", "[tokenizer]") {
  std::mt19937 random(13);
  for (const auto& [name, tokenizer] : tokenizers()) {
    std::vector<TokenId> ids(2000);
    for (TokenId& id : ids) id = static_cast<TokenId>(random() % 3 == 0 ? random() : random() % tokenizer.size());
    std::string joined;
    for (const TokenId id : ids) joined += tokenizer.piece(id);
    CHECK(tokenizer.decode(ids, false) == joined);
  }
}

TEST_CASE("tokenizer: a megabyte of one character takes time in proportion", "[tokenizer]") {
  const size_t bytes = size_t{1} << 20;
  for (const auto& [name, tokenizer] : tokenizers()) {
    for (const char c : {'a', ' ', '\xFF'}) {
      const std::string text(bytes, c);
      const auto start = std::chrono::steady_clock::now();
      const auto ids = tokenizer.encode(text, kPlain);
      const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      CAPTURE(name, static_cast<int>(c), ids.size());
      // Half a second on a Zen 4 core; a quadratic pass over 2^20 symbols would take over ten minutes.
      CHECK(seconds < 60);
      CHECK(tokenizer.decode(ids) == text);
    }
  }
}
