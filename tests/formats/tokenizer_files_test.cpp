// Tokenizers from folders: hand-made tokenizer.json, tokenizer.model and the configs beside them.
#include <nlohmann/json.hpp>

#include "tests/formats/tokenizer_test_support.h"

using namespace siskin;
using namespace siskin::tokenizer_tests;
using Json = nlohmann::json;
using Ids = std::vector<TokenId>;

namespace {

constexpr EncodeOptions kPlain = {.add_bos = false, .parse_special = false};

// ids: <unk> 0, <s> 1, </s> 2, mark 3, a 4, b 5, c 6, ab 7, bc 8, mark+a 9
Json bpe_json() {
  return Json::parse(R"({
    "added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 1, "content": "<s>", "special": true},
                     {"id": 2, "content": "</s>", "special": true}],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
                   {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
    "pre_tokenizer": null,
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
    "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": false,
      "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "▁": 3, "a": 4, "b": 5, "c": 6, "ab": 7, "bc": 8, "▁a": 9},
      "merges": ["b c", "a b", "▁ a"]}})");
}

Json unigram_json() {
  return Json::parse(R"({
    "added_tokens": [{"id": 2, "content": "<unk>", "special": true}, {"id": 1, "content": "</s>", "special": true},
                     {"id": 7, "content": "<x>", "special": false, "lstrip": true, "rstrip": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"},
                      {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true}]},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
      "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
    "decoder": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true},
    "model": {"type": "Unigram", "unk_id": 2,
      "vocab": [["<pad>", 0], ["</s>", 0], ["<unk>", 0], ["▁", -3], ["a", -2.5], ["▁a", -2], ["b", -4]]}})");
}

Tokenizer from_json(const Json& json, const Json& config = nullptr) {
  const TempFolder folder;
  folder.add("tokenizer.json", json.dump());
  if (!config.is_null()) folder.add("tokenizer_config.json", config.dump());
  return must(Tokenizer::from_folder(folder.path()));
}

std::string sentencepiece_model(const std::string& trainer, const std::string& normalizer) {
  // ids: <unk> 0, <s> 1, </s> 2, mark 3, a 4, mark+a 5
  return proto_pieces(pieces_with({{kMark, -5}, {"a", -4}, {kMark + "a", -3}}, false)) +
         Proto().bytes(2, trainer).bytes(3, normalizer).str();
}

Tokenizer from_model(const std::string& model, const Json& config = nullptr) {
  const TempFolder folder;
  folder.add("tokenizer.model", model);
  if (!config.is_null()) folder.add("tokenizer_config.json", config.dump());
  return must(Tokenizer::from_folder(folder.path()));
}

}  // namespace

TEST_CASE("tokenizer.json: merges go by rank", "[tokenizer]") {
  const Tokenizer tokenizer = from_json(bpe_json());
  CHECK(tokenizer.encode("abc") == Ids{1, 9, 8});
  CHECK(tokenizer.encode("ab", kPlain) == Ids{3, 7});
  CHECK(tokenizer.encode("xxa", kPlain) == Ids{3, 0, 4});
  CHECK(tokenizer.decode(Ids{1, 9, 8}) == "abc");
  CHECK(tokenizer.bos() == 1);
}

TEST_CASE("tokenizer.json: merges as arrays, ignore_merges, unknowns apart", "[tokenizer]") {
  Json json = bpe_json();
  json["model"]["merges"] = Json::parse(R"([["b", "c"], ["a", "b"], ["▁", "a"]])");
  CHECK(from_json(json).encode("abc") == Ids{1, 9, 8});
  json["model"]["fuse_unk"] = false;
  CHECK(from_json(json).encode("xx", kPlain) == Ids{3, 0, 0});
  json["normalizer"] = nullptr;
  json["model"]["merges"] = Json::array();
  CHECK(from_json(json).encode("ab", kPlain) == Ids{4, 5});
  json["model"]["ignore_merges"] = true;
  CHECK(from_json(json).encode("ab", kPlain) == Ids{7});
}

TEST_CASE("tokenizer.json: Metaspace prefixes at the start alone or everywhere", "[tokenizer]") {
  Json json = bpe_json();
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] =
      Json::parse(R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false})");
  const EncodeOptions parse{.add_bos = false, .parse_special = true};
  CHECK(from_json(json).encode("a</s>a a", parse) == Ids{9, 2, 4, 9});
  json["pre_tokenizer"]["prepend_scheme"] = "always";
  CHECK(from_json(json).encode("a</s>a", parse) == Ids{9, 2, 9});
  CHECK(from_json(json).encode(" a", parse) == Ids{9});  // a mark is there already
  json["pre_tokenizer"]["prepend_scheme"] = "never";
  CHECK(from_json(json).encode("a</s>a", parse) == Ids{4, 2, 4});
}

TEST_CASE("tokenizer.json: tokenizer_config.json decides over the template", "[tokenizer]") {
  const Json config = Json::parse(R"({"bos_token": {"content": "</s>"}, "eos_token": "<s>", "add_eos_token": true})");
  const Tokenizer tokenizer = from_json(bpe_json(), config);
  CHECK(tokenizer.encode("a") == Ids{2, 9, 1});
  CHECK(tokenizer.ends_generation(1));
  CHECK_FALSE(from_json(bpe_json(), Json::parse(R"({"add_bos_token": false})")).adds_bos());
  Json untold = bpe_json();
  untold["post_processor"] = nullptr;
  CHECK(from_json(untold, Json::parse(R"({"bos_token": "<s>"})")).encode("a") == Ids{1, 9});
}

TEST_CASE("tokenizer.json: Unigram with T5's pipeline and added tokens", "[tokenizer]") {
  const Tokenizer tokenizer = from_json(unigram_json());
  CHECK(std::string(tokenizer.kind()) == "unigram");
  CHECK(tokenizer.size() == 8);
  CHECK(tokenizer.encode("  a \n aa  ") == Ids{5, 5, 4, 1});
  CHECK(tokenizer.encode("a <x> a", kPlain) == Ids{5, 7, 5});
  CHECK(tokenizer.encode("qqa", kPlain) == Ids{3, 2, 4});
  CHECK(tokenizer.decode(Ids{5, 5, 4, 1}) == "a aa");
}

TEST_CASE("tokenizer.json: the ids that config.json and generation_config.json end with", "[tokenizer]") {
  const TempFolder folder;
  folder.add("tokenizer.json", bpe_json().dump());
  folder.add("config.json", R"({"eos_token_id": 2, "bos_token_id": 1})");
  folder.add("generation_config.json", R"({"eos_token_id": [2, 6, 99999]})");
  const Tokenizer tokenizer = must(Tokenizer::from_folder(folder.path()));
  CHECK(tokenizer.eos() == 2);
  CHECK(tokenizer.ends_generation(6));
  CHECK_FALSE(tokenizer.ends_generation(5));
}

TEST_CASE("tokenizer.model: defaults, extra spaces and the prefix", "[tokenizer]") {
  const std::string bpe = Proto().varint(3, 2).str();
  CHECK(from_model(sentencepiece_model(bpe, "")).encode("  a   a ") == Ids{1, 5, 5});
  const Tokenizer kept = from_model(sentencepiece_model(bpe, Proto().varint(4, 0).str()));
  CHECK(kept.encode("  a ") == Ids{1, 3, 3, 5, 3});
  const Tokenizer bare = from_model(sentencepiece_model(bpe, Proto().varint(3, 0).varint(4, 0).str()));
  CHECK(bare.encode("a a") == Ids{1, 4, 5});
  CHECK(bare.decode(Ids{5}) == " a");
  const Tokenizer unigram = from_model(sentencepiece_model(Proto().varint(3, 1).varint(41, UINT64_MAX).str(), ""));
  CHECK(std::string(unigram.kind()) == "unigram");
  CHECK(unigram.bos() == -1);
  CHECK(unigram.encode("a a") == Ids{5, 5});
}

TEST_CASE("tokenizer.model: byte pieces count only where the trainer says so", "[tokenizer]") {
  const std::string pieces = proto_pieces(pieces_with({{kMark, -5}}, true));
  const auto trainer = [](bool bytes) { return Proto().bytes(2, Proto().varint(3, 2).varint(35, bytes ? 1 : 0).str()).str(); };
  CHECK(from_model(pieces + trainer(true)).encode("A", kPlain) == Ids{259, 3 + 'A'});
  CHECK(from_model(pieces + trainer(false)).encode("A", kPlain) == Ids{259, 0});
}

TEST_CASE("tokenizer.model: tokens added by tokenizer_config.json", "[tokenizer]") {
  const std::string model = sentencepiece_model(Proto().varint(3, 2).str(), "");
  const Json config = Json::parse(R"({"legacy": false, "added_tokens_decoder":
    {"2": {"content": "</s>", "special": true}, "6": {"content": "<|im_end|>", "special": true}}})");
  const Tokenizer tokenizer = from_model(model, config);
  const EncodeOptions parse{.add_bos = false, .parse_special = true};
  CHECK(tokenizer.size() == 7);
  CHECK(tokenizer.encode("a<|im_end|>a", parse) == Ids{5, 6, 4});
  CHECK(tokenizer.ends_generation(6));
  CHECK(from_model(model).encode("a</s>a", parse) == Ids{5, 2, 5});
}

TEST_CASE("tokenizer: a compiled character map rewrites text first", "[tokenizer]") {
  // A double array that knows "A" alone and makes it "a": the root's offset is 1, so the unit of 'A' (0x41) is 1 ^ 0x41 = 0x40;
  // its offset is 0x80, so that its value stands at 0x40 ^ 0x80 = 0xC0. The value 0 is where "a" begins.
  std::vector<uint32_t> units(256, 0);
  units[0] = 1U << 10;
  units[0x40] = 0x80U << 10 | 1U << 8 | 0x41U;
  units[0xC0] = 1U << 31;
  std::string map{'\0', '\x04', '\0', '\0'};
  for (const uint32_t unit : units) {
    for (unsigned shift = 0; shift < 32; shift += 8) map += static_cast<char>(unit >> shift & 0xFFU);
  }
  map += std::string("a\0", 2);
  const std::string normalizer = Proto().bytes(2, map).str();
  const Tokenizer tokenizer = from_model(sentencepiece_model(Proto().varint(3, 2).str(), normalizer));
  CHECK(tokenizer.encode("A aA", kPlain) == Ids{5, 5, 4});
  CHECK(tokenizer.encode("\xFF", kPlain) == Ids{3, 0});
}
