// A small good GGUF file, cut at every byte of its header and with every bit of it flipped: an error or a sound parse, nothing
// else.
#include <catch2/catch.hpp>
#include <random>

#include "tests/formats/files_support.h"

namespace siskin {
namespace {

using testing::GgufBytes;

struct Sample {
  std::string bytes;
  size_t header = 0;
};

Sample sample() {
  GgufBytes bytes;
  bytes.header(3, 5).text_pair("general.architecture", "llama").u32_pair("general.alignment", 32);
  bytes.array("tokenizer.ggml.tokens", 8, 3).string("<unk>").string("a").string("bc");
  bytes.array("tokenizer.ggml.scores", 6, 3).number(0.0f).number(-1.0f).number(-2.0f);
  bytes.key("flag", 7).number(uint8_t{1});
  bytes.tensor("token_embd.weight", {32, 3}, 8, 0).tensor("blk.0.ffn_gate_exps.weight", {4, 2, 2}, 1, 128);
  bytes.tensor("output_norm.weight", {4}, 0, 160).pad();
  const size_t header = bytes.str().size();
  bytes.zeros(160 + 16);
  return {bytes.str(), header};
}

// Every byte that a view promises must lie inside the file.
bool is_sound(const GgufContents& contents, std::span<const std::byte> bytes) {
  for (const TensorView& tensor : contents.tensors) {
    for (const std::byte* slice : tensor.slices) {
      if (slice < bytes.data() || tensor.slice_bytes > static_cast<size_t>(bytes.data() + bytes.size() - slice)) return false;
    }
    if (tensor.slices.empty() || tensor.slices.size() > bytes.size()) return false;
  }
  return true;
}

TEST_CASE("a GGUF file cut anywhere in its header is refused", "[files]") {
  const Sample good = sample();
  REQUIRE(parse_gguf(testing::as_bytes(good.bytes), "good.gguf"));
  for (size_t n = 0; n < good.bytes.size(); ++n) {
    const std::string cut = good.bytes.substr(0, n);
    const auto contents = parse_gguf(testing::as_bytes(cut), "cut.gguf");
    INFO("cut at " << n);
    CHECK_FALSE(contents);
  }
}

TEST_CASE("a GGUF header with any one bit flipped gives an error or a sound parse", "[files]") {
  const Sample good = sample();
  size_t refused = 0;
  for (size_t bit = 0; bit < good.header * 8; ++bit) {
    std::string flipped = good.bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto bytes = testing::as_bytes(flipped);
    const auto contents = parse_gguf(bytes, "flipped.gguf");
    INFO("bit " << bit);
    if (contents) {
      CHECK(is_sound(*contents, bytes));
    } else {
      ++refused;
      CHECK(contents.error().message.starts_with("flipped.gguf: "));
    }
  }
  // Flips in names and values are harmless; those in lengths, counts, types and offsets are not.
  CHECK(refused > good.header * 2);
}

TEST_CASE("a GGUF header with any byte set to 0x00, 0x7f or 0xff gives an error or a sound parse", "[files]") {
  const Sample good = sample();
  for (size_t i = 0; i < good.header; ++i) {
    for (const char value : {'\0', '\x7f', '\xff'}) {
      std::string damaged = good.bytes;
      damaged[i] = value;
      const auto bytes = testing::as_bytes(damaged);
      const auto contents = parse_gguf(bytes, "damaged.gguf");
      INFO("byte " << i);
      CHECK((!contents || is_sound(*contents, bytes)));
    }
  }
}

TEST_CASE("GGUF files with several bytes changed, moved or cut give errors or sound parses", "[files]") {
  const Sample good = sample();
  std::mt19937 random(1);
  const auto below = [&random](size_t n) { return static_cast<size_t>(random() % n); };
  size_t refused = 0;
  constexpr size_t kRounds = 20000;
  for (size_t round = 0; round < kRounds; ++round) {
    std::string damaged = good.bytes;
    for (size_t edits = 1 + below(4); edits > 0; --edits) {
      const size_t at = below(good.header), n = 1 + below(12);
      switch (below(4)) {
        case 0:
          damaged[at] = static_cast<char>(random());
          break;
        case 1:  // a number at its limit
          damaged.replace(at, 8, 8, below(2) == 0 ? '\xff' : '\x7f');
          break;
        case 2:
          damaged.erase(at, n);
          break;
        default:
          damaged.insert(at, damaged.substr(below(good.header - n), n));
          break;
      }
    }
    const auto bytes = testing::as_bytes(damaged);
    const auto contents = parse_gguf(bytes, "damaged.gguf");
    refused += !contents;
    if (contents && !is_sound(*contents, bytes)) FAIL("round " << round);
  }
  CHECK(refused > kRounds / 2);
}

}  // namespace
}  // namespace siskin
