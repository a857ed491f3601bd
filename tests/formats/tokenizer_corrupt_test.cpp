// Files that lie: each kind of damage is an Error with a message, never a crash. 60 kinds, then every truncation.
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "formats/tokenizer/sentencepiece_file.h"
#include "tests/formats/tokenizer_test_support.h"

using namespace siskin;
using namespace siskin::tokenizer_tests;
using Json = nlohmann::json;

namespace {

void check_error(const Result<Tokenizer>& tokenizer, ErrorCode code) {
  REQUIRE_FALSE(tokenizer);
  CHECK(tokenizer.error().code == code);
  CHECK_FALSE(tokenizer.error().message.empty());
  CHECK(tokenizer.error().message.find('\n') == std::string::npos);
}

struct BadMetadata {
  const char* what;
  ErrorCode code;
  std::function<void(Metadata&)> damage;
};

const std::string kKey = "tokenizer.ggml.";
constexpr ErrorCode kCorrupt = ErrorCode::corrupt_file;

const std::vector<BadMetadata> kBadMetadata = {
    {"another model", ErrorCode::unsupported, [](Metadata& m) { m.set(kKey + "model", std::string("bert")); }},
    {"a model that is no string", kCorrupt, [](Metadata& m) { m.set(kKey + "model", uint64_t{1}); }},
    {"tokens of another kind", kCorrupt,
     [](Metadata& m) {
       m.set(kKey + "tokens", std::vector<int64_t>{1, 2});
     }},
    {"tokens that are one string", kCorrupt, [](Metadata& m) { m.set(kKey + "tokens", std::string("a")); }},
    {"no tokens", kCorrupt, [](Metadata& m) { m.set(kKey + "tokens", std::vector<std::string>{}); }},
    {"fewer tokens than scores", kCorrupt, [](Metadata& m) { m.set(kKey + "tokens", std::vector<std::string>(3, "x")); }},
    {"fewer scores", kCorrupt, [](Metadata& m) { m.set(kKey + "scores", std::vector<double>{1.0}); }},
    {"more scores", kCorrupt, [](Metadata& m) { m.set(kKey + "scores", std::vector<double>(5000, 1.0)); }},
    {"scores of another kind", kCorrupt, [](Metadata& m) { m.set(kKey + "scores", std::vector<std::string>(260)); }},
    {"a score that is no number", kCorrupt,
     [](Metadata& m) { m.set(kKey + "scores", std::vector<double>(260, std::numeric_limits<double>::quiet_NaN())); }},
    {"an infinite score", kCorrupt,
     [](Metadata& m) { m.set(kKey + "scores", std::vector<double>(260, -std::numeric_limits<double>::infinity())); }},
    {"fewer types", kCorrupt, [](Metadata& m) { m.set(kKey + "token_type", std::vector<int64_t>{1}); }},
    {"a negative type", kCorrupt, [](Metadata& m) { m.set(kKey + "token_type", std::vector<int64_t>(260, -1)); }},
    {"a type past the last", kCorrupt, [](Metadata& m) { m.set(kKey + "token_type", std::vector<int64_t>(260, 7)); }},
    {"types of another kind", kCorrupt, [](Metadata& m) { m.set(kKey + "token_type", std::vector<double>(260, 1)); }},
    {"bytes that are not written <0xXX>", kCorrupt,
     [](Metadata& m) { m.set(kKey + "token_type", std::vector<int64_t>(260, 6)); }},
    {"bos past the end", kCorrupt, [](Metadata& m) { m.set(kKey + "bos_token_id", uint64_t{260}); }},
    {"eos past the end", kCorrupt, [](Metadata& m) { m.set(kKey + "eos_token_id", uint64_t{1} << 40); }},
    {"unknown past the end", kCorrupt, [](Metadata& m) { m.set(kKey + "unknown_token_id", uint64_t{4294967294}); }},
    {"a negative bos", kCorrupt, [](Metadata& m) { m.set(kKey + "bos_token_id", int64_t{-5}); }},
    {"a bos that is a string", kCorrupt, [](Metadata& m) { m.set(kKey + "bos_token_id", std::string("1")); }},
    {"eot past the end", kCorrupt, [](Metadata& m) { m.set(kKey + "eot_token_id", uint64_t{99999}); }},
    {"add_bos_token as a string", kCorrupt, [](Metadata& m) { m.set(kKey + "add_bos_token", std::string("true")); }},
    {"add_space_prefix as a list", kCorrupt, [](Metadata& m) { m.set(kKey + "add_space_prefix", std::vector<int64_t>{1}); }},
    {"a piece of 5,000 bytes", kCorrupt,
     [](Metadata& m) { m.set(kKey + "tokens", std::vector<std::string>(260, std::string(5000, 'x'))); }},
    {"a charsmap of three bytes", kCorrupt,
     [](Metadata& m) {
       m.set(kKey + "precompiled_charsmap", std::vector<int64_t>{1, 2, 3});
     }},
    {"a charsmap longer than it is", kCorrupt,
     [](Metadata& m) {
       m.set(kKey + "precompiled_charsmap", std::vector<int64_t>{255, 255, 255, 255, 0, 0, 0, 0});
     }},
    {"a charsmap of no bytes' values", kCorrupt,
     [](Metadata& m) {
       m.set(kKey + "precompiled_charsmap", std::vector<int64_t>{1000, 0, 0, 0});
     }},
};

const std::string kGoodJson = R"({"added_tokens": [{"id": 0, "content": "<u>", "special": true}],
  "normalizer": {"type": "Prepend", "prepend": "_"}, "decoder": {"type": "Fuse"},
  "model": {"type": "BPE", "unk_token": "<u>", "vocab": {"<u>": 0, "a": 1, "b": 2, "ab": 3}, "merges": ["a b"]}})";

struct BadJson {
  const char* pointer;
  const char* value;
  ErrorCode code;
};

const std::vector<BadJson> kBadJson = {
    {"/model", "null", kCorrupt},
    {"/model", "7", kCorrupt},
    {"/model/type", "\"WordPiece\"", ErrorCode::unsupported},
    {"/model/type", "7", kCorrupt},
    {"/model/vocab", "null", kCorrupt},
    {"/model/vocab", "[1, 2]", kCorrupt},
    {"/model/vocab", "{}", kCorrupt},
    {"/model/vocab/a", "-1", kCorrupt},
    {"/model/vocab/a", "1.5", kCorrupt},
    {"/model/vocab/a", "\"1\"", kCorrupt},
    {"/model/vocab/a", "2", kCorrupt},
    {"/model/vocab/a", "2147483647", kCorrupt},
    {"/model/vocab/a", "18446744073709551615", kCorrupt},
    {"/model/merges", "null", kCorrupt},
    {"/model/merges", "{}", kCorrupt},
    {"/model/merges/0", "\"ab\"", kCorrupt},
    {"/model/merges/0", "\"a z\"", kCorrupt},
    {"/model/merges/0", "\"b a\"", kCorrupt},
    {"/model/merges/0", "[\"a\"]", kCorrupt},
    {"/model/merges/0", "[\"a\", 7]", kCorrupt},
    {"/model/merges/0", "7", kCorrupt},
    {"/model/unk_token", "\"<none>\"", kCorrupt},
    {"/model/byte_fallback", "\"yes\"", kCorrupt},
    {"/model/continuing_subword_prefix", "\"##\"", ErrorCode::unsupported},
    {"/added_tokens", "7", kCorrupt},
    {"/added_tokens/0", "7", kCorrupt},
    {"/added_tokens/0/id", "1", kCorrupt},
    {"/added_tokens/0/id", "2000000000", kCorrupt},
    {"/added_tokens/0/content", "\"\"", kCorrupt},
    {"/added_tokens/0/special", "1", kCorrupt},
    {"/normalizer", "7", kCorrupt},
    {"/normalizer/type", "\"NFKC\"", ErrorCode::unsupported},
    {"/normalizer", "{\"type\": \"Sequence\"}", kCorrupt},
    {"/normalizer", "{\"type\": \"Replace\"}", kCorrupt},
    {"/normalizer", "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"a+\"}, \"content\": \"\"}", ErrorCode::unsupported},
    {"/normalizer", "{\"type\": \"Replace\", \"pattern\": {\"String\": \"\"}, \"content\": \"x\"}", kCorrupt},
    {"/normalizer", "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"!!!\"}", kCorrupt},
    {"/normalizer", "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAA\"}", kCorrupt},
    {"/pre_tokenizer", "{\"type\": \"BertPreTokenizer\"}", ErrorCode::unsupported},
    {"/pre_tokenizer", "{\"type\": \"Metaspace\", \"prepend_scheme\": \"maybe\"}", kCorrupt},
    {"/pre_tokenizer", "{\"type\": \"Metaspace\", \"replacement\": \"_\"}", ErrorCode::unsupported},
    {"/decoder", "{\"type\": \"WordPiece\"}", ErrorCode::unsupported},
    {"/post_processor", "{\"type\": \"TemplateProcessing\"}", kCorrupt},
    {"/post_processor", "{\"type\": \"TemplateProcessing\", \"single\": [7]}", kCorrupt},
    {"/post_processor", "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"q\"}}]}", kCorrupt},
    {"/post_processor", "{\"type\": \"BertProcessing\", \"cls\": [\"a\"]}", kCorrupt},
    {"/post_processor", "{\"type\": \"BertProcessing\", \"cls\": [\"a\", 1], \"sep\": [\"b\", 77]}", kCorrupt},
};

Result<Tokenizer> from_file(const std::string& name, std::string_view bytes) {
  const TempFolder folder;
  folder.add(name, bytes);
  return Tokenizer::from_folder(folder.path());
}

std::string good_model() {
  return proto_pieces(pieces_with({{"a", -1}, {kMark, -2}}, false)) + Proto().bytes(2, Proto().varint(3, 2).str()).str();
}

}  // namespace

TEST_CASE("tokenizer: damaged metadata", "[tokenizer]") {
  const Metadata good = metadata_of(pieces_with({{"a", -1}}, true));
  REQUIRE(good.strings(kKey + "tokens")->size() == 260);
  REQUIRE(Tokenizer::from_metadata(good));
  for (const BadMetadata& bad : kBadMetadata) {
    CAPTURE(bad.what);
    Metadata metadata = good;
    bad.damage(metadata);
    check_error(Tokenizer::from_metadata(metadata), bad.code);
  }
  check_error(Tokenizer::from_metadata(Metadata{}), ErrorCode::not_found);
  for (const char* missing : {"tokens", "scores", "model"}) {
    Metadata metadata;
    for (const auto& [key, value] : good.all()) {
      if (key != kKey + missing) metadata.set(key, value);
    }
    CAPTURE(missing);
    CHECK_FALSE(Tokenizer::from_metadata(metadata));
  }
}

TEST_CASE("tokenizer: damaged tokenizer.json", "[tokenizer]") {
  REQUIRE(from_file("tokenizer.json", kGoodJson));
  for (const BadJson& bad : kBadJson) {
    CAPTURE(bad.pointer, bad.value);
    Json json = Json::parse(kGoodJson);
    json[Json::json_pointer(bad.pointer)] = Json::parse(bad.value);
    check_error(from_file("tokenizer.json", json.dump()), bad.code);
  }
  for (const char* text : {"", "7", "[]", "{", "{}", "\xFF\xFE", "{\"model\": {\"vocab\": {\"\xFF\": 0}}}"}) {
    CAPTURE(text);
    check_error(from_file("tokenizer.json", text), kCorrupt);
  }
  const std::string deep(100000, '[');
  check_error(from_file("tokenizer.json", "{\"model\": " + deep), kCorrupt);
  for (size_t bytes = 0; bytes < kGoodJson.size(); bytes += 3) {
    CHECK_FALSE(from_file("tokenizer.json", std::string_view(kGoodJson).substr(0, bytes)));
  }
}

TEST_CASE("tokenizer: damaged Unigram tokenizer.json", "[tokenizer]") {
  const std::string good = R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<u>", 0], ["a", -1]]}})";
  REQUIRE(from_file("tokenizer.json", good));
  const std::vector<std::pair<const char*, const char*>> damage{{"/model/unk_id", "2"},        {"/model/unk_id", "-1"},
                                                                {"/model/vocab", "{}"},        {"/model/vocab", "[]"},
                                                                {"/model/vocab/1", "[\"a\"]"}, {"/model/vocab/1", "[1, 2]"},
                                                                {"/model/vocab/1/1", "\"x\""}, {"/model/vocab/1/1", "1e300"}};
  for (const auto& [pointer, value] : damage) {
    CAPTURE(pointer, value);
    Json json = Json::parse(good);
    json[Json::json_pointer(pointer)] = Json::parse(value);
    check_error(from_file("tokenizer.json", json.dump()), kCorrupt);
  }
}

TEST_CASE("tokenizer: damaged tokenizer.model", "[tokenizer]") {
  const std::string good = good_model();
  REQUIRE(from_file("tokenizer.model", good));
  const auto with = [&](const Proto& proto) { return from_file("tokenizer.model", good + proto.str()); };
  const auto trainer = [&](const Proto& fields) { return with(Proto().bytes(2, fields.str())); };
  check_error(from_file("tokenizer.model", ""), kCorrupt);
  check_error(with(Proto().varint(1, 7)), kCorrupt);                                         // a piece that is a number
  check_error(with(Proto().bytes(1, Proto().varint(1, 7).str())), kCorrupt);                 // a text that is a number
  check_error(with(Proto().bytes(1, Proto().float32(2, 1.0F).str())), kCorrupt);             // a piece without text
  check_error(with(Proto().bytes(1, Proto().bytes(1, "x").bytes(2, "y").str())), kCorrupt);  // a score that is text
  check_error(with(Proto().bytes(1, Proto().bytes(1, "x").varint(3, 7).str())), kCorrupt);   // no such type
  check_error(with(Proto().bytes(1, Proto().bytes(1, "x").varint(3, 6).str())), kCorrupt);   // no byte
  check_error(with(Proto().bytes(1, Proto().bytes(1, std::string(5000, 'x')).str())), kCorrupt);
  check_error(with(Proto().bytes(1, Proto().bytes(1, "x").float32(2, std::numeric_limits<float>::infinity()).str())), kCorrupt);
  check_error(trainer(Proto().varint(3, 3)), ErrorCode::unsupported);            // words
  check_error(trainer(Proto().varint(3, 4)), ErrorCode::unsupported);            // characters
  check_error(trainer(Proto().varint(24, 1)), ErrorCode::unsupported);           // whitespace as a suffix
  check_error(trainer(Proto().varint(40, 5)), kCorrupt);                         // unknown past the end
  check_error(trainer(Proto().varint(41, 1U << 30)), kCorrupt);                  // bos past the end
  check_error(trainer(Proto().varint(42, 0x7FFFFFFF)), kCorrupt);                // eos past the end
  check_error(trainer(Proto().bytes(35, "x")), kCorrupt);                        // a flag that is text
  check_error(with(Proto().bytes(3, Proto().bytes(2, "abc").str())), kCorrupt);  // a character map cut short
  check_error(with(Proto().varint(0, 1)), kCorrupt);                             // field 0
  check_error(from_file("tokenizer.model", good + "\x0B"), kCorrupt);            // a group
  check_error(from_file("tokenizer.model", good + "\x0A\x7F"), kCorrupt);        // longer than the file
  check_error(from_file("tokenizer.model", good + "\x0A" + std::string(9, '\xFF') + "\x01"), kCorrupt);  // 2^64 - 1 bytes
  check_error(from_file("tokenizer.model", good + std::string(20, '\xFF')), kCorrupt);                   // an endless number
}

TEST_CASE("tokenizer: every truncation and many flips of a tokenizer.model do no harm", "[tokenizer]") {
  const std::string good = good_model();
  const auto try_bytes = [](std::string_view bytes) {
    auto spec = parse_sentencepiece(bytes);
    if (!spec) return;
    const auto tokenizer = make_tokenizer(*std::move(spec));
    if (tokenizer) tokenizer->decode(tokenizer->encode("a b\xFF<s>", {.add_bos = true, .parse_special = true}));
  };
  for (size_t bytes = 0; bytes < good.size(); ++bytes) try_bytes(std::string_view(good).substr(0, bytes));
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good;
    for (uint32_t flips = random() % 4 + 1; flips > 0; --flips) bad[random() % bad.size()] = static_cast<char>(random());
    try_bytes(bad);
  }
}

TEST_CASE("tokenizer: damaged configs beside a good tokenizer", "[tokenizer]") {
  const auto with = [](const std::string& name, std::string_view text) {
    const TempFolder folder;
    folder.add("tokenizer.model", good_model());
    folder.add(name, text);
    return Tokenizer::from_folder(folder.path());
  };
  for (const char* text :
       {"{", "[]", R"({"bos_token": 7})", R"({"add_bos_token": "yes"})", R"({"added_tokens_decoder": 7})",
        R"({"added_tokens_decoder": {"x": {"content": "y"}}})", R"({"added_tokens_decoder": {"-1": {"content": "y"}}})",
        R"({"added_tokens_decoder": {"99999999999999999999": {"content": "y"}}})",
        R"({"added_tokens_decoder": {"4000": {"content": "y"}}})", R"({"added_tokens_decoder": {"3": {}}})",
        R"({"legacy": "no"})"}) {
    CAPTURE(text);
    check_error(with("tokenizer_config.json", text), kCorrupt);
  }
  for (const char* text : {"{", R"({"eos_token_id": -2})", R"({"eos_token_id": ["x"]})", R"({"eos_token_id": 1.5})"}) {
    CAPTURE(text);
    check_error(with("config.json", text), kCorrupt);
  }
  const TempFolder empty;
  check_error(Tokenizer::from_folder(empty.path()), ErrorCode::not_found);
  check_error(Tokenizer::from_folder(empty.path() / "none"), ErrorCode::not_found);
}
