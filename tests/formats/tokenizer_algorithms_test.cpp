// The algorithms on vocabularies small enough to follow by hand.
#include "tests/formats/tokenizer_test_support.h"

using namespace siskin;
using namespace siskin::tokenizer_tests;

namespace {

using Ids = std::vector<TokenId>;
constexpr EncodeOptions kPlain = {.add_bos = false, .parse_special = false};

Metadata without_prefix(Metadata metadata) {
  metadata.set("tokenizer.ggml.add_space_prefix", false);
  return metadata;
}

}  // namespace

TEST_CASE("spm-bpe: the best score is merged first, the leftmost of equals", "[tokenizer]") {
  // ids: a 3, b 4, c 5, ab 6, bc 7, aa 8
  const auto pieces = pieces_with({{"a", -9}, {"b", -9}, {"c", -9}, {"ab", -2}, {"bc", -1}, {"aa", -3}}, false);
  const Tokenizer tokenizer = must(Tokenizer::from_metadata(without_prefix(metadata_of(pieces))));
  CHECK(tokenizer.encode("abc", kPlain) == Ids{3, 7});
  CHECK(tokenizer.encode("ab", kPlain) == Ids{6});
  CHECK(tokenizer.encode("aaa", kPlain) == Ids{8, 3});
  CHECK(tokenizer.encode("aaaaa", kPlain) == Ids{8, 8, 3});
  CHECK(tokenizer.encode("abc") == Ids{1, 3, 7});
}

TEST_CASE("spm-bpe: without byte pieces a run of unknown characters is one unknown id", "[tokenizer]") {
  const auto pieces = pieces_with({{"a", -1}}, false);
  const Tokenizer tokenizer = must(Tokenizer::from_metadata(without_prefix(metadata_of(pieces))));
  CHECK(tokenizer.encode("axyza\xC3\xA9", kPlain) == Ids{3, 0, 3, 0});
  CHECK(tokenizer.decode(Ids{3, 0, 3}) == "aa");
}

TEST_CASE("spm-bpe: unknown characters fall back to bytes", "[tokenizer]") {
  const auto pieces = pieces_with({{"a", -1}}, true);
  const Tokenizer tokenizer = must(Tokenizer::from_metadata(without_prefix(metadata_of(pieces))));
  CHECK(tokenizer.encode("a\xC3\xA9", kPlain) == Ids{259, 3 + 0xC3, 3 + 0xA9});
  CHECK(tokenizer.piece(3 + 0xC3) == "\xC3");
  CHECK(tokenizer.encode("<0x41>", kPlain).size() == 6);  // written out, it is text
}

TEST_CASE("spm-bpe: an unused piece is a step of merging, never a result", "[tokenizer]") {
  // ids: a 3, b 4, c 5, ab 6 (unused), abc 7
  const auto pieces = pieces_with({{"a", -9}, {"b", -9}, {"c", -9}, {"ab", -1, 5}, {"abc", -2}}, false);
  const Tokenizer tokenizer = must(Tokenizer::from_metadata(without_prefix(metadata_of(pieces))));
  CHECK(tokenizer.encode("abc", kPlain) == Ids{7});
  CHECK(tokenizer.encode("ab", kPlain) == Ids{3, 4});
}

TEST_CASE("tokenizer: the space in front is added by encoding and dropped by decoding", "[tokenizer]") {
  // ids: mark 3, a 4, mark+a 5
  const auto pieces = pieces_with({{kMark, -5}, {"a", -4}, {kMark + "a", -3}}, false);
  const Tokenizer tokenizer = must(Tokenizer::from_metadata(metadata_of(pieces)));
  CHECK(tokenizer.encode("a a") == Ids{1, 5, 5});
  CHECK(tokenizer.encode(" a") == Ids{1, 3, 5});
  CHECK(tokenizer.encode("") == Ids{1});
  CHECK(tokenizer.decode(Ids{1, 5, 5}) == "a a");
  CHECK(tokenizer.decode(Ids{5, 5}, false) == " a a");
  CHECK(tokenizer.decode(Ids{3, 5}) == " a");
  CHECK(tokenizer.piece(5) == " a");
  CHECK(tokenizer.piece(1).empty());
  CHECK(tokenizer.piece(-1).empty());
  CHECK(tokenizer.piece(6).empty());
  CHECK(tokenizer.decode(Ids{5, -7, 1000000, 4}) == "aa");
}

TEST_CASE("tokenizer: control tokens in text are text unless they are parsed", "[tokenizer]") {
  const auto pieces = pieces_with({{"<", -5}, {"s", -5}, {">", -5}, {"<s", -1}, {"a", -2}, {"[x]", 0, 4}}, false);
  const Tokenizer tokenizer = must(Tokenizer::from_metadata(without_prefix(metadata_of(pieces))));
  CHECK(tokenizer.encode("<s>a", kPlain) == Ids{6, 5, 7});
  CHECK(tokenizer.encode("<s>a</s>", {.add_bos = false, .parse_special = true}) == Ids{1, 7, 2});
  CHECK(tokenizer.encode("a[x]a", kPlain) == Ids{7, 8, 7});  // user-defined ones are always found
  CHECK(tokenizer.piece(8) == "[x]");
}

TEST_CASE("tokenizer: every known end of a turn ends generation", "[tokenizer]") {
  const auto pieces = pieces_with({{"a", -1}, {"<|im_end|>", 0, 3}, {"x", -1}}, false);
  Metadata metadata = metadata_of(pieces);
  metadata.set("tokenizer.ggml.eot_token_id", uint64_t{5});
  metadata.set("tokenizer.ggml.eom_token_id", uint64_t{4294967295});
  const Tokenizer tokenizer = must(Tokenizer::from_metadata(metadata));
  CHECK(tokenizer.ends_generation(2));
  CHECK(tokenizer.ends_generation(4));
  CHECK(tokenizer.ends_generation(5));
  CHECK_FALSE(tokenizer.ends_generation(3));
  CHECK_FALSE(tokenizer.ends_generation(-1));
}

TEST_CASE("unigram: the segmentation with the best sum, not the longest pieces", "[tokenizer]") {
  // ids: a 3, b 4, ab 5, abc 6, c 7, bc 8
  const std::vector<TestPiece> own{{"a", -2}, {"b", -2}, {"ab", -3}, {"abc", -9}, {"c", -2}, {"bc", -1}};
  const Tokenizer tokenizer = must(Tokenizer::from_metadata(without_prefix(metadata_of(pieces_with(own, false), "t5"))));
  CHECK(std::string(tokenizer.kind()) == "unigram");
  CHECK(tokenizer.encode("abc", kPlain) == Ids{3, 8});
  CHECK(tokenizer.encode("ab", kPlain) == Ids{5});
  CHECK(tokenizer.encode("axyb", kPlain) == Ids{3, 0, 4});
  CHECK_FALSE(tokenizer.adds_bos());  // t5 adds none unless the file says so
}

TEST_CASE("unigram: byte fallback, user-defined pieces and the end token", "[tokenizer]") {
  Metadata metadata = without_prefix(metadata_of(pieces_with({{"a", -2}, {"aa", -1}}, true), "t5"));
  metadata.set("tokenizer.ggml.add_eos_token", true);
  metadata.set("tokenizer.ggml.add_bos_token", true);
  const Tokenizer tokenizer = must(Tokenizer::from_metadata(metadata));
  CHECK(tokenizer.encode("a\xFF"
                         "a") == Ids{1, 259, 3 + 0xFF, 259, 2});
  CHECK(tokenizer.encode("aaa", kPlain).size() == 2);
}

TEST_CASE("sentencepiece rules: extra spaces are squeezed where the file asks", "[tokenizer]") {
  Metadata metadata = metadata_of(pieces_with({{kMark, -5}, {"a", -4}, {kMark + "a", -3}}, false));
  metadata.set("tokenizer.ggml.remove_extra_whitespaces", true);
  const Tokenizer tokenizer = must(Tokenizer::from_metadata(metadata));
  CHECK(tokenizer.encode("  a   a  ", kPlain) == Ids{5, 5});
  CHECK(tokenizer.encode("   ", kPlain).empty());
}
