// Safetensors files: round trips, shards and their index, and files as other writers make them.
#include <catch2/catch.hpp>
#include <cstring>

#include "formats/safetensors.h"
#include "tests/formats/files_safetensors_bytes.h"
#include "tests/formats/files_support.h"

namespace siskin {
namespace {

using testing::pattern_source;
using testing::safetensors_bytes;
using testing::TempFolder;

TEST_CASE("a written safetensors file is read back whole", "[files]") {
  const TempFolder folder;
  const std::vector<GgufTensorSource> sources = {pattern_source("z", DType::F32, {3, 5}), pattern_source("a", DType::BF16, {7}),
                                                 pattern_source("m", DType::F16, {2, 2, 3}, 2),
                                                 pattern_source("i", DType::I64, {2})};
  REQUIRE(write_safetensors(folder / "model.safetensors", {{"format", "pt"}}, sources));
  CHECK(folder.entries() == 1);
  const std::string bytes = testing::read_file(folder / "model.safetensors");
  const auto contents = parse_safetensors(testing::as_bytes(bytes), "model.safetensors");
  REQUIRE(contents);
  CHECK(contents->metadata == std::map<std::string, std::string>{{"format", "pt"}});
  REQUIRE(contents->tensors.size() == 4);
  CHECK(contents->tensors[0].begin % 8 == 0);
  for (size_t t = 0; t < 4; ++t) {
    const SafetensorsEntry& entry = contents->tensors[t];
    CHECK(entry.name == sources[t].name);
    CHECK(entry.type == sources[t].type);
    CHECK(entry.shape == sources[t].shape);
    REQUIRE(entry.end - entry.begin == sources[t].n_slices * sources[t].slice_bytes);
    size_t wrong = 0;
    for (size_t i = 0; i < entry.end - entry.begin; ++i) {
      const auto byte = static_cast<std::byte>(bytes[entry.begin + i]);
      wrong += byte != testing::pattern_byte(entry.name, i / sources[t].slice_bytes, i % sources[t].slice_bytes);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("shards hold every tensor once, and the index says where", "[files]") {
  const TempFolder folder;
  std::vector<GgufTensorSource> sources;
  for (size_t i = 0; i < 7; ++i) sources.push_back(pattern_source("t" + std::to_string(i), DType::F32, {10 * (i + 1)}));
  size_t last = 0, total = 0;
  REQUIRE(write_safetensors_shards(folder.path(), {}, sources, 400, [&](size_t done, size_t all) {
    CHECK(done >= last);
    last = done;
    total = all;
    return true;
  }));
  CHECK(last == total);
  CHECK(total == 4 * 10 * 28);
  const std::string text = testing::read_file(folder / "model.safetensors.index.json");
  const auto index = parse_safetensors_index(testing::as_bytes(text), "index");
  REQUIRE(index);
  CHECK(index->size() == 7);
  CHECK(index->at("t0") == "model-00001-of-00004.safetensors");
  CHECK(index->at("t6") == "model-00004-of-00004.safetensors");
  CHECK(folder.entries() == 5);
  for (const auto& [name, shard] : *index) {
    const std::string bytes = testing::read_file(folder / shard);
    const auto contents = parse_safetensors(testing::as_bytes(bytes), shard);
    REQUIRE(contents);
    CHECK(std::count_if(contents->tensors.begin(), contents->tensors.end(),
                        [&](const SafetensorsEntry& entry) { return entry.name == name; }) == 1);
  }
}

TEST_CASE("tensors that fit in one shard are one file without an index", "[files]") {
  const TempFolder folder;
  const std::vector<GgufTensorSource> sources = {pattern_source("a", DType::F32, {4})};
  REQUIRE(write_safetensors_shards(folder.path(), {}, sources, 1000));
  CHECK(folder.entries() == 1);
  CHECK(std::filesystem::exists(folder / "model.safetensors"));
}

TEST_CASE("shards are not written beside a file that would hide them", "[files]") {
  const TempFolder folder;
  testing::write_file(folder / "model.safetensors", "old");
  const std::vector<GgufTensorSource> sources = {pattern_source("a", DType::F32, {4}), pattern_source("b", DType::F32, {4})};
  const Status status = write_safetensors_shards(folder.path(), {}, sources, 16);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::invalid_argument);
  CHECK(folder.entries() == 1);
}

TEST_CASE("safetensors that cannot be written are refused", "[files]") {
  const TempFolder folder;
  const GgufTensorSource good = pattern_source("a", DType::F32, {4});
  const auto code = [&folder](const std::vector<GgufTensorSource>& sources) {
    const Status status = write_safetensors(folder / "x.safetensors", {}, sources);
    return status ? ErrorCode::io : status.error().code;
  };
  CHECK(code({good, good}) == ErrorCode::invalid_argument);
  GgufTensorSource bad = good;
  bad.name = "__metadata__";
  CHECK(code({bad}) == ErrorCode::invalid_argument);
  CHECK(code({pattern_source("q", DType::Q8_0, {32})}) == ErrorCode::invalid_argument);
  bad = good;
  bad.slice_bytes = 15;
  CHECK(code({bad}) == ErrorCode::invalid_argument);
  CHECK(folder.entries() == 0);
  const Status cancelled = write_safetensors(folder / "x.safetensors", {}, {&good, 1}, [](size_t, size_t) { return false; });
  CHECK(cancelled.error().code == ErrorCode::cancelled);
  CHECK(folder.entries() == 0);
}

TEST_CASE("scalars, empty tensors and types that nothing here computes with are recognised", "[files]") {
  const std::string bytes = safetensors_bytes(R"({"s": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]},
    "e": {"dtype": "F16", "shape": [0, 7], "data_offsets": [4, 4]}, "b": {"dtype": "BOOL", "shape": [3], "data_offsets": [4, 7]},
    "i": {"dtype": "I64", "shape": [1], "data_offsets": [7, 15]}, "extra": {"dtype": "F8_E4M3", "shape": [1, 1],
    "data_offsets": [15, 16], "note": {}}})",
                                              16);
  const auto contents = parse_safetensors(testing::as_bytes(bytes), "x");
  REQUIRE(contents);
  REQUIRE(contents->tensors.size() == 5);
  CHECK(contents->tensors[0].name == "s");
  CHECK(contents->tensors[0].shape.empty());
  CHECK(contents->tensors[1].name == "e");
  CHECK(contents->tensors[2].dtype == "BOOL");
  CHECK_FALSE(contents->tensors[2].type);
  CHECK(contents->tensors[3].type == DType::I64);
}

}  // namespace
}  // namespace siskin
