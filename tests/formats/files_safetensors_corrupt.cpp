// Malformed safetensors files and indexes, one kind each, and a good one damaged byte by byte.
#include <catch2/catch.hpp>

#include "formats/safetensors.h"
#include "tests/formats/files_safetensors_bytes.h"
#include "tests/formats/files_support.h"

namespace siskin {
namespace {

using testing::safetensors_bytes;

struct Kind {
  const char* name;
  const char* says;
  std::string bytes;
};

std::string with_length(uint64_t length, const std::string& rest) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + rest;
}

// One tensor "a" with these members; 16 data bytes.
std::string one(const std::string& members) { return safetensors_bytes(R"({"a": {)" + members + "}}", 16); }

std::vector<Kind> kinds() {
  const std::string a = R"("a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]})";
  const std::string good = R"("dtype": "F32", "shape": [4], )";
  return {
      {"nothing", "length", ""},
      {"seven bytes", "length", std::string(7, '\0')},
      {"length 0", "does not begin", with_length(0, "{}")},
      {"length 1", "does not begin", with_length(1, "{}")},
      {"length 2^64-1", "at most", with_length(UINT64_MAX, "{}")},
      {"length 2^63", "at most", with_length(uint64_t{1} << 63, "{}")},
      {"length one past the file", "at most", with_length(3, "{}")},
      {"length beyond the format's limit", "at most", with_length(100000001, "{}")},
      {"header that is an array", "does not begin", safetensors_bytes("[1]", 0)},
      {"header that begins with a space", "does not begin", safetensors_bytes(" {}", 0)},
      {"header cut short", "invalid JSON", safetensors_bytes("{" + a, 8)},
      {"header with junk after it", "invalid JSON", safetensors_bytes("{" + a + "} x", 8)},
      {"header padded with NULs", "invalid JSON", safetensors_bytes("{" + a + "}" + std::string(3, '\0'), 8)},
      {"header that is not UTF-8", "invalid JSON", safetensors_bytes("{\"\xff\": 1}", 0)},
      {"header nested too deep", "nested",
       safetensors_bytes("{\"a\": " + std::string(5000, '[') + std::string(5000, ']') + "}", 0)},
      {"number out of range", "out of range", safetensors_bytes("{\"a\": 1e999}", 0)},
      {"tensor twice", "twice", safetensors_bytes("{" + a + ", " + a + "}", 8)},
      {"member twice", "twice", one(R"("dtype": "F32", "dtype": "F16", "shape": [4], "data_offsets": [0, 16])")},
      {"tensor that is a number", "object", safetensors_bytes(R"({"a": 1})", 0)},
      {"tensor that is null", "object", safetensors_bytes(R"({"a": null})", 0)},
      {"no dtype", "dtype", one(R"("shape": [4], "data_offsets": [0, 16])")},
      {"dtype that is a number", "dtype", one(R"("dtype": 1, "shape": [4], "data_offsets": [0, 16])")},
      {"no shape", "shape", one(R"("dtype": "F32", "data_offsets": [0, 16])")},
      {"shape that is a number", "shape", one(R"("dtype": "F32", "shape": 4, "data_offsets": [0, 16])")},
      {"negative dimension", "dimension", one(R"("dtype": "F32", "shape": [-4], "data_offsets": [0, 16])")},
      {"fractional dimension", "dimension", one(R"("dtype": "F32", "shape": [4.0], "data_offsets": [0, 16])")},
      {"dimension beyond 64 bits", "dimension",
       one(R"("dtype": "F32", "shape": [18446744073709551616], "data_offsets": [0, 16])")},
      {"dimension that is text", "dimension", one(R"("dtype": "F32", "shape": ["4"], "data_offsets": [0, 16])")},
      {"shape that wraps 64 bits", "64 bits",
       one(R"("dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 0])")},
      {"shape whose bytes wrap 64 bits", "64 bits",
       one(R"("dtype": "F32", "shape": [4611686018427387905], "data_offsets": [0, 4])")},
      {"no offsets", "data_offsets", one(R"("dtype": "F32", "shape": [4])")},
      {"one offset", "data_offsets", one(good + R"("data_offsets": [16])")},
      {"three offsets", "data_offsets", one(good + R"("data_offsets": [0, 16, 16])")},
      {"negative offset", "data_offsets", one(good + R"("data_offsets": [-16, 0])")},
      {"fractional offset", "data_offsets", one(good + R"("data_offsets": [0.0, 16.0])")},
      {"offsets the wrong way round", "data_offsets", one(good + R"("data_offsets": [16, 0])")},
      {"too few bytes for the shape", "expected 16 bytes", one(good + R"("data_offsets": [0, 15])")},
      {"too many bytes for the shape", "expected 16 bytes", one(good + R"("data_offsets": [0, 17])")},
      {"range past the file", "data bytes", one(R"("dtype": "F32", "shape": [5], "data_offsets": [0, 20])")},
      {"range that ends at 2^64-1", "data bytes",
       one(R"("dtype": "U8", "shape": [18446744073709551615], "data_offsets": [0, 18446744073709551615])")},
      {"hole before the first tensor", "hole", one(R"("dtype": "F32", "shape": [2], "data_offsets": [8, 16])")},
      {"bytes after the last tensor", "belong to no tensor", one(R"("dtype": "F32", "shape": [2], "data_offsets": [0, 8])")},
      {"data without tensors", "belong to no tensor", safetensors_bytes("{}", 4)},
      {"hole between tensors", "hole",
       safetensors_bytes("{" + a + R"(, "b": {"dtype": "F32", "shape": [1], "data_offsets": [12, 16]}})", 16)},
      {"tensors that overlap", "overlaps",
       safetensors_bytes("{" + a + R"(, "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}})", 12)},
      {"tensors at one place", "overlaps",
       safetensors_bytes("{" + a + R"(, "b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})", 8)},
      {"metadata that is a list", "__metadata__", safetensors_bytes(R"({"__metadata__": []})", 0)},
      {"metadata with a number", "__metadata__", safetensors_bytes(R"({"__metadata__": {"format": 1}})", 0)},
  };
}

TEST_CASE("malformed safetensors files are refused", "[files]") {
  for (const Kind& kind : kinds()) {
    INFO(kind.name);
    const auto contents = parse_safetensors(testing::as_bytes(kind.bytes), "bad.safetensors");
    REQUIRE_FALSE(contents);
    INFO(contents.error().message);
    CHECK(contents.error().code == ErrorCode::corrupt_file);
    CHECK(contents.error().message.starts_with("bad.safetensors: "));
    CHECK(contents.error().message.find(kind.says) != std::string::npos);
    CHECK(contents.error().message.find('\n') == std::string::npos);
  }
  const std::string odd = one(R"("dtype": "F4", "shape": [4], "data_offsets": [0, 16])");
  CHECK(parse_safetensors(testing::as_bytes(odd), "bad").error().code == ErrorCode::unsupported);
}

TEST_CASE("malformed shard indexes are refused", "[files]") {
  const auto map = [](const std::string& shard) { return R"({"metadata": {}, "weight_map": {"a": ")" + shard + "\"}}"; };
  const std::vector<Kind> bad = {
      {"nothing", "invalid JSON", ""},
      {"not JSON", "invalid JSON", "weight_map"},
      {"an array", "object", "[]"},
      {"no weight_map", "weight_map", "{}"},
      {"weight_map that is a list", "weight_map", R"({"weight_map": []})"},
      {"weight_map that is empty", "empty", R"({"weight_map": {}})"},
      {"a shard that is a number", "not a string", R"({"weight_map": {"a": 1}})"},
      {"a tensor twice", "twice", R"({"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}})"},
      {"an absolute path", "plain name", map("/etc/x.safetensors")},
      {"a path upwards", "plain name", map("../x.safetensors")},
      {"a path upwards in the middle", "plain name", map("a/../../x.safetensors")},
      {"a path downwards", "plain name", map("sub/x.safetensors")},
      {"a Windows path", "plain name", map("..\\\\x.safetensors")},
      {"a NUL in the name", "plain name", map("x\\u0000.safetensors")},
      {"an empty name", "plain name", map("")},
      {"the folder itself", "plain name", map(".")},
      {"the folder above", "plain name", map("..")},
      {"another kind of file", "plain name", map("pytorch_model.bin")},
      {"a name longer than any file's", "plain name", map(std::string(300, 'x') + ".safetensors")},
  };
  for (const Kind& kind : bad) {
    INFO(kind.name);
    const auto index = parse_safetensors_index(testing::as_bytes(kind.bytes), "index.json");
    REQUIRE_FALSE(index);
    INFO(index.error().message);
    CHECK(index.error().code == ErrorCode::corrupt_file);
    CHECK(index.error().message.find(kind.says) != std::string::npos);
  }
  CHECK(parse_safetensors_index(testing::as_bytes(map("model-00001-of-00002.safetensors")), "index.json"));
}

std::string good_file() {
  return safetensors_bytes(R"({"__metadata__": {"format": "pt"}, "x.weight": {"dtype": "F16", "shape": [2, 3],
    "data_offsets": [0, 12]}, "y": {"dtype": "F32", "shape": [2], "data_offsets": [12, 20]}})",
                           20);
}

bool is_sound(const SafetensorsContents& contents, size_t size) {
  for (const SafetensorsEntry& entry : contents.tensors) {
    if (entry.begin > entry.end || entry.end > size) return false;
  }
  return true;
}

TEST_CASE("a safetensors file cut anywhere is refused", "[files]") {
  const std::string good = good_file();
  REQUIRE(parse_safetensors(testing::as_bytes(good), "good"));
  for (size_t n = 0; n < good.size(); ++n) {
    const std::string cut = good.substr(0, n);
    INFO("cut at " << n);
    CHECK_FALSE(parse_safetensors(testing::as_bytes(cut), "cut"));
  }
}

TEST_CASE("a safetensors header with any one bit flipped gives an error or a sound parse", "[files]") {
  const std::string good = good_file();
  size_t refused = 0;
  for (size_t bit = 0; bit < (good.size() - 20) * 8; ++bit) {
    std::string flipped = good;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto contents = parse_safetensors(testing::as_bytes(flipped), "flipped");
    INFO("bit " << bit);
    CHECK((!contents || is_sound(*contents, flipped.size())));
    refused += !contents;
  }
  CHECK(refused > good.size());
}

}  // namespace
}  // namespace siskin
