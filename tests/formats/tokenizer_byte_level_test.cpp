// Byte-level BPE: the way bytes are written, the cutting into words, and tokenizers of both file kinds put together by hand.
#include <nlohmann/json.hpp>

#include "formats/tokenizer/byte_text.h"
#include "formats/tokenizer/pre_splitter.h"
#include "formats/tokenizer/pre_types.h"
#include "tests/formats/tokenizer_test_support.h"

using namespace siskin;
using namespace siskin::tokenizer_tests;

namespace {

using Words = std::vector<std::string>;
using Ids = std::vector<TokenId>;
using Json = nlohmann::json;

constexpr EncodeOptions kPlain{.add_bos = false, .parse_special = false};
constexpr EncodeOptions kParse{.add_bos = false, .parse_special = true};

Words cut_by(const std::vector<std::string>& patterns, std::string_view text) {
  const auto splitter = PreSplitter::make(patterns);
  if (!splitter) FAIL(splitter.error().message);
  Words words;
  splitter->split(text, [&](std::string_view word) { words.emplace_back(word); });
  return words;
}

Words words_of(const char* pre, std::string_view text) {
  const PreType* type = find_pre_type(pre);
  REQUIRE(type != nullptr);
  return cut_by(type->patterns, text);
}

// The 256 bytes in order, then "ab" 256, " a" 257, " ab" 258, <end> 259 (control), <x> 260 (user-defined).
std::vector<std::string> byte_pieces() {
  std::vector<std::string> pieces;
  for (int byte = 0; byte < 256; ++byte) pieces.push_back(written_of_bytes(std::string(1, static_cast<char>(byte))));
  for (const char* text : {"ab", "Ġa", "Ġab", "<end>", "<x>"}) pieces.emplace_back(text);
  return pieces;
}

Metadata byte_metadata(const std::string& pre) {
  Metadata metadata;
  std::vector<int64_t> types(261, 1);
  types[259] = 3;
  types[260] = 4;
  metadata.set("tokenizer.ggml.model", std::string("gpt2"));
  metadata.set("tokenizer.ggml.pre", pre);
  metadata.set("tokenizer.ggml.tokens", byte_pieces());
  metadata.set("tokenizer.ggml.token_type", types);
  metadata.set("tokenizer.ggml.merges", std::vector<std::string>{"a b", "Ġ a", "Ġ ab"});
  metadata.set("tokenizer.ggml.bos_token_id", uint64_t{259});
  metadata.set("tokenizer.ggml.eos_token_id", uint64_t{259});
  return metadata;
}

Json byte_json() {
  Json json = Json::parse(R"({"model": {"type": "BPE", "merges": ["a b", "Ġ a", "Ġ ab"]},
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "decoder": {"type": "ByteLevel"},
    "post_processor": {"type": "ByteLevel", "trim_offsets": false},
    "added_tokens": [{"id": 259, "content": "<end>", "special": true}, {"id": 260, "content": "<x>", "special": false}]})");
  const auto pieces = byte_pieces();
  for (size_t id = 0; id < 259; ++id) json["model"]["vocab"][pieces[id]] = id;
  return json;
}

Tokenizer from_json(const Json& json) {
  const TempFolder folder;
  folder.add("tokenizer.json", json.dump());
  return must(Tokenizer::from_folder(folder.path()));
}

void check_both(const Tokenizer& tokenizer) {
  CHECK(std::string(tokenizer.kind()) == "byte-bpe");
  CHECK(tokenizer.encode("ab ab a", kPlain) == Ids{256, 258, 257});
  CHECK(tokenizer.encode("\xE2\x96\x81", kPlain) == Ids{0xE2, 0x96, 0x81});
  CHECK(tokenizer.decode(Ids{0xE2, 0x96, 0x81, 258}) == kMark + " ab");
  CHECK(tokenizer.encode("a\xFF\xC3 ab", kPlain) == Ids{'a', 0xFF, 0xC3, 258});
  CHECK(tokenizer.encode("ab<x>ab<end>", kParse) == Ids{256, 260, 256, 259});
  CHECK(tokenizer.encode("<end>", kPlain).size() == 5);
  CHECK(tokenizer.decode(Ids{256, 260, 259, 258}) == "ab<x> ab");
  CHECK(tokenizer.encode("ab") == Ids{256});  // no BOS unless the file says so
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  CHECK(tokenizer.decode(tokenizer.encode(all)) == all);
}

}  // namespace

TEST_CASE("byte_text: every byte is written as one character of GPT-2's table", "[tokenizer]") {
  CHECK(written_of_bytes(" \n\xAD!~") == "ĠĊŃ!~");
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    CHECK(bytes_of_written(written_of_bytes(one)) == one);
  }
  for (const char* other : {" ", "\n", "\u00AD", "\u0144", "\u4E00", "\xC4", "a\xFF"}) CHECK(!bytes_of_written(other));
}

TEST_CASE("PreSplitter: matches, what lies between them, and stray bytes", "[tokenizer]") {
  CHECK(words_of("gpt-2", "I've  12 caf\u00E9s\n\n!") == Words{"I", "'ve", " ", " 12", " caf\u00E9s", "\n", "\n", "!"});
  CHECK(words_of("qwen2", "I'VE 123\r\n\n x") == Words{"I", "'VE", " ", "1", "2", "3", "\r\n\n", " x"});
  CHECK(words_of("llama-bpe", "12345 \u00A0x") == Words{"123", "45", " ", "\u00A0x"});
  CHECK(words_of("deepseek-llm", "ab12 \u4E00c\n") == Words{"ab", "12", " ", "\u4E00", "c", "\n"});
  CHECK(words_of("gpt-4o", "camelCase's don'T") == Words{"camel", "Case's", " don'T"});
  CHECK(cut_by({"b"}, "abba") == Words{"a", "b", "b", "a"});
  CHECK(cut_by({"(?=b)"}, "abba") == Words{"a", "b", "ba"});
  CHECK(cut_by({"a\\Kb"}, "xab") == Words{"xa", "b"});
  CHECK(words_of("gpt-2", "a\xFF\xFF b\xC3") == Words{"a", "\xFF\xFF", " b", "\xC3"});
  CHECK(words_of("gpt-2", "").empty());
  CHECK(cut_by({"\\s"}, "a\u180Eb\u3000c") == Words{"a\u180Eb", "\u3000", "c"});  // U+180E is no space since Unicode 6.3
}

TEST_CASE("PreSplitter: patterns and texts that mean harm end in bounded time", "[tokenizer]") {
  for (const char* pattern : {"(a", "\\C", "[z-a]", "a{1000}{1000}{1000}"}) {
    CAPTURE(pattern);
    const auto splitter = PreSplitter::make({pattern});
    REQUIRE_FALSE(splitter);
    CHECK(splitter.error().code == ErrorCode::unsupported);
  }
  CHECK_FALSE(PreSplitter::make({std::string(1 << 17, 'a')}));
  // Exponential backtracking and deep recursion: the rest of the text is one word.
  const std::string many(2'000, 'a');
  CHECK(cut_by({"(a+)+$|x"}, "x" + many + "b") == Words{"x", many + "b"});
  CHECK(cut_by({"(?:(a)|(b))*c|x"}, "x" + std::string(1 << 20, 'a')).front() == "x");
}

TEST_CASE("PreSplitter: every named way of cutting compiles and loses nothing", "[tokenizer]") {
  const std::string text =
      "Hello, World's 1234567 caf\u00E9 \u4E2D\u6587\u0E44\u0E17\u0E22 \U0001F600\n\n\tx += 1;  \r\nI'LL  ";
  for (const char* name :
       {"", "default", "gpt-2", "llama-bpe", "qwen2", "deepseek-llm", "deepseek-coder", "deepseek-v3", "falcon", "starcoder",
        "gpt-4o", "tekken", "bloom", "viking", "bailingmoe", "seed-coder", "qwen35", "dbrx"}) {
    CAPTURE(name);
    const Words words = words_of(name, text);
    std::string joined;
    for (const std::string& word : words) joined += word;
    CHECK(joined == text);
    CHECK(words.size() > 10);
  }
  CHECK(find_pre_type("no-such") == nullptr);
  CHECK(name_of_patterns(find_pre_type("qwen2")->patterns, false) == "qwen2");
  CHECK(name_of_patterns({"x"}, false).empty());
}

TEST_CASE("tokenizer: byte-level BPE from GGUF and from tokenizer.json", "[tokenizer]") {
  check_both(must(Tokenizer::from_metadata(byte_metadata("gpt-2"))));
  check_both(must(Tokenizer::from_metadata(byte_metadata("qwen2"))));
  check_both(from_json(byte_json()));
  Json split = byte_json();
  split["normalizer"]["type"] = "NFC";
  split["pre_tokenizer"] = Json::parse(R"({"type": "Sequence", "pretokenizers": [
    {"type": "Split", "pattern": {"Regex": "\\p{N}| ?\\p{L}+"}, "behavior": "Isolated", "invert": false},
    {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})");
  const Tokenizer tokenizer = from_json(split);
  check_both(tokenizer);
  CHECK(tokenizer.encode("e\u0301", kPlain) == Ids{0xC3, 0xA9});  // composed
  CHECK(tokenizer.encode("e\u0301\xFF", kPlain) == Ids{'e', 0xCC, 0x81, 0xFF});
}

TEST_CASE("tokenizer: byte-level BPE with BOS, ignored merges and a space in front", "[tokenizer]") {
  Metadata metadata = byte_metadata("llama-bpe");
  CHECK(must(Tokenizer::from_metadata(metadata)).encode("ab") == Ids{259, 256});
  metadata.set("tokenizer.ggml.add_bos_token", false);
  metadata.set("tokenizer.ggml.merges", std::vector<std::string>{"Ġ a"});
  CHECK(must(Tokenizer::from_metadata(metadata)).encode("ab ab a ba") == Ids{256, 258, 257, ' ', 'b', 'a'});
  Metadata prefixed = byte_metadata("gpt-2");
  prefixed.set("tokenizer.ggml.add_space_prefix", true);
  const Tokenizer tokenizer = must(Tokenizer::from_metadata(prefixed));
  CHECK(tokenizer.encode("ab") == Ids{258});
  CHECK(tokenizer.decode(Ids{258}) == "ab");
}

TEST_CASE("tokenizer: broken byte-level files are errors", "[tokenizer]") {
  const auto error_of = [](const Metadata& metadata) {
    const auto tokenizer = Tokenizer::from_metadata(metadata);
    REQUIRE_FALSE(tokenizer);
    return tokenizer.error();
  };
  CHECK(error_of(byte_metadata("no-such")).code == ErrorCode::unsupported);
  Metadata metadata = byte_metadata("gpt-2");
  metadata.set("tokenizer.ggml.merges", std::vector<std::string>{"ab"});
  CHECK(error_of(metadata).code == ErrorCode::corrupt_file);
  metadata.set("tokenizer.ggml.merges", std::vector<std::string>{"a c"});
  CHECK(error_of(metadata).code == ErrorCode::corrupt_file);
  metadata.set("tokenizer.ggml.merges", std::string("a b"));
  CHECK(error_of(metadata).code == ErrorCode::corrupt_file);
  Json json = byte_json();
  json["pre_tokenizer"] = Json::parse(R"({"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Isolated"})");
  const TempFolder folder;
  folder.add("tokenizer.json", json.dump());
  const auto tokenizer = Tokenizer::from_folder(folder.path());
  REQUIRE_FALSE(tokenizer);
  CHECK(tokenizer.error().code == ErrorCode::unsupported);
}
