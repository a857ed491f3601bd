// tokenizer_to_gguf: what a folder's tokenizer.json says, written as GGUF's keys and read back, gives the same ids; what GGUF
// cannot say is refused.
#include <nlohmann/json.hpp>

#include "formats/tokenizer/byte_text.h"
#include "formats/tokenizer/folder_spec.h"
#include "formats/tokenizer/pre_types.h"
#include "formats/tokenizer/to_gguf.h"
#include "tests/formats/tokenizer_test_support.h"

namespace siskin::tokenizer_tests {
namespace {

using Json = nlohmann::json;

constexpr const char* kTexts[] = {
    "", "hello hello", "  say hell to  him\n\n 12345", "caf\u00E9 \u4E2D\u6587 don't", "<|end|> hel<|end|>lo", "x\xFFy"};

// All bytes, and what these merges make.
Json byte_level(const std::vector<std::pair<std::string, std::string>>& merges) {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) vocab[written_of_bytes(std::string(1, static_cast<char>(byte)))] = byte;
  Json written = Json::array();
  for (const auto& [left, right] : merges) {
    vocab.emplace(left + right, vocab.size());
    written.push_back(left + " " + right);
  }
  return {{"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", written}}},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"added_tokens", {{{"id", vocab.size()}, {"content", "<|end|>"}, {"special", true}}}}};
}

const std::vector<std::pair<std::string, std::string>> kMerges = {{"h", "e"},          {"l", "l"}, {"he", "ll"}, {"hell", "o"},
                                                                  {"\u0120", "hello"}, {"1", "2"}, {"12", "3"}};

// SentencePiece's pieces, and every way of making them, best first.
Json marked() {
  Json vocab = Json::object();
  for (const TestPiece& piece : pieces_with({}, true)) vocab[piece.text] = vocab.size();
  for (const char* text : {"\u2581", "h", "e", "l", "o", "he", "ll", "hell", "\u2581he"}) vocab[text] = vocab.size();
  Json added = Json::array();
  for (const char* text : {"<unk>", "<s>", "</s>"}) {
    added.push_back({{"id", vocab[text]}, {"content", text}, {"special", true}});
  }
  return {{"model",
           {{"type", "BPE"},
            {"byte_fallback", true},
            {"fuse_unk", true},
            {"unk_token", "<unk>"},
            {"vocab", vocab},
            {"merges", {"h e", "l l", "he ll", "\u2581 he"}}}},
          {"normalizer",
           {{"type", "Sequence"},
            {"normalizers",
             {{{"type", "Prepend"}, {"prepend", "\u2581"}},
              {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}}}}},
          {"added_tokens", added}};
}

TokenizerSpec spec_of(const Json& json) {
  const TempFolder folder;
  folder.add("tokenizer.json", json.dump());
  auto spec = read_folder_tokenizer(folder.path());
  if (!spec) FAIL(spec.error().message);
  return *std::move(spec);
}

Metadata check_round_trip(const Json& json) {
  const TokenizerSpec spec = spec_of(json);
  Metadata metadata;
  const auto written = tokenizer_to_gguf(spec, spec.pieces.size() + 3, metadata);
  if (!written) FAIL(written.error().message);
  const Tokenizer before = must(make_tokenizer(spec)), after = must(Tokenizer::from_metadata(metadata));
  CHECK(after.size() == before.size() + 3);
  CHECK(metadata.strings("tokenizer.ggml.tokens")->back() == "[PAD" + std::to_string(after.size() - 1) + "]");
  CHECK(after.bos() == before.bos());
  CHECK(after.adds_bos() == before.adds_bos());
  for (const char* text : kTexts) {
    for (const bool special : {false, true}) {
      INFO(text);
      const auto ids = before.encode(text, {.add_bos = true, .parse_special = special});
      CHECK(after.encode(text, {.add_bos = true, .parse_special = special}) == ids);
      CHECK(after.decode(ids) == before.decode(ids));
    }
  }
  return metadata;
}

std::string refusal(const Json& json) {
  const TokenizerSpec spec = spec_of(json);
  Metadata metadata;
  const auto written = tokenizer_to_gguf(spec, spec.pieces.size(), metadata);
  REQUIRE_FALSE(written);
  CHECK(written.error().code == ErrorCode::unsupported);
  CHECK_FALSE(metadata.has("tokenizer.ggml.model"));
  return written.error().message;
}

bool says(const std::string& message, const char* words) { return message.find(words) != std::string::npos; }

}  // namespace

TEST_CASE("byte-level BPE is written with the pre of its patterns", "[tokenizer]") {
  const Metadata gpt2 = check_round_trip(byte_level(kMerges));
  CHECK(*gpt2.string("tokenizer.ggml.model") == "gpt2");
  CHECK(*gpt2.string("tokenizer.ggml.pre") == "gpt-2");
  CHECK(gpt2.strings("tokenizer.ggml.merges")->at(4) == "\u0120 hello");

  // The patterns as the models' files have them: characters themselves where ours are escapes.
  const std::pair<const char*, std::vector<const char*>> kinds[] = {
      {"llama-bpe",
       {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {"qwen2",
       {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {"gpt-4o",
       {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {"deepseek-v3",
       {R"(\p{N}{1,3})", "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
        R"re([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re"}}};
  for (const auto& [name, patterns] : kinds) {
    INFO(name);
    Json json = byte_level(kMerges);
    Json parts = Json::array();
    for (const char* pattern : patterns) {
      parts.push_back({{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
    }
    parts.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}});
    json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", parts}};
    json["normalizer"] = {{"type", "NFC"}};  // of Qwen; the texts here are composed
    if (find_pre_type(name)->ignore_merges) json["model"]["ignore_merges"] = true;
    CHECK(*check_round_trip(json).string("tokenizer.ggml.pre") == name);
  }
}

TEST_CASE("byte-level BPE that GGUF cannot say is refused", "[tokenizer]") {
  Json json = byte_level(kMerges);
  json["pre_tokenizer"] = Json::parse(R"({"type": "Sequence", "pretokenizers": [
    {"type": "Split", "pattern": {"Regex": "o+"}, "behavior": "Isolated", "invert": false},
    {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})");
  CHECK(says(refusal(json), "cuts text into words"));
  json = byte_level(kMerges);
  json["pre_tokenizer"]["add_prefix_space"] = true;
  CHECK(says(refusal(json), "before it cuts"));
  json = byte_level(kMerges);
  json["added_tokens"][0]["special"] = false;
  json["added_tokens"][0]["lstrip"] = true;
  CHECK(says(refusal(json), "takes spaces"));
  // A word that is a piece stays whole: the same where merges lead to every piece, and not where they miss one.
  json = byte_level(kMerges);
  json["model"]["ignore_merges"] = true;
  CHECK(*check_round_trip(json).string("tokenizer.ggml.pre") == "gpt-2");
  json["model"]["vocab"]["ab"] = 300;
  CHECK(says(refusal(json), "do not lead to"));
}

TEST_CASE("merges that are SentencePiece's become scores", "[tokenizer]") {
  const Metadata metadata = check_round_trip(marked());
  CHECK(*metadata.string("tokenizer.ggml.model") == "llama");
  Json json = marked();
  json["model"]["merges"] = {"h e", "l l", "he ll"};  // "\u2581he" has halves and no merge
  CHECK(says(refusal(json), "in more ways"));
  json = marked();
  json["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
  CHECK_FALSE(check_round_trip(json).boolean_or("tokenizer.ggml.add_space_prefix", true).operator*());
  json = marked();
  json["model"]["byte_fallback"] = false;
  CHECK(says(refusal(json), "every byte"));
  json = marked();
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = {{"type", "Metaspace"}, {"prepend_scheme", "first"}, {"split", false}};
  CHECK(says(refusal(json), "looks for pieces"));
}

}  // namespace siskin::tokenizer_tests
