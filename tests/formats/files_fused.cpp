// Fused tensors: their parts are the rows of the whole, and rows that do not add up are refused.
#include <catch2/catch.hpp>
#include <span>

#include "formats/files/fused_tensors.h"
#include "tests/formats/files_support.h"

namespace siskin {
namespace {

Metadata heads(uint64_t n_heads, uint64_t n_kv_heads) {
  Metadata metadata;
  metadata.set("general.architecture", std::string("dbrx"));
  metadata.set("dbrx.embedding_length", uint64_t{64});
  metadata.set("dbrx.attention.head_count", n_heads);
  metadata.set("dbrx.attention.head_count_kv", n_kv_heads);
  return metadata;
}

TensorView whole(const std::string& name, DType type, const Shape& shape, const std::vector<std::byte>& bytes,
                 size_t n_slices) {
  TensorView view;
  view.name = name;
  view.type = type;
  view.shape = shape;
  view.slice_bytes = bytes.size() / n_slices;
  for (size_t i = 0; i < n_slices; ++i) view.slices.push_back(bytes.data() + i * view.slice_bytes);
  return view;
}

TEST_CASE("q, k and v are views of a fused matrix and of its bias", "[files]") {
  constexpr size_t kRow = 64 / 32 * 34;  // bytes of a row of Q8_0
  const std::vector<std::byte> matrix(128 * kRow), bias(128 * 4);
  const auto parts = split_fused({whole("blk.3.attn_qkv.weight", DType::Q8_0, {128, 64}, matrix, 1),
                                  whole("blk.3.attn_qkv.bias", DType::F32, {128}, bias, 1)},
                                 heads(4, 2), "file");
  REQUIRE(parts);
  REQUIRE(parts->size() == 6);
  const char* names[] = {"blk.3.attn_q.weight", "blk.3.attn_k.weight", "blk.3.attn_v.weight",
                         "blk.3.attn_q.bias",   "blk.3.attn_k.bias",   "blk.3.attn_v.bias"};
  const size_t first[] = {0, 64, 96}, rows[] = {64, 32, 32};
  for (size_t i = 0; i < 6; ++i) {
    const TensorView& part = (*parts)[i];
    CHECK(part.name == names[i]);
    const bool is_bias = i >= 3;
    CHECK(part.shape == (is_bias ? Shape{rows[i % 3]} : Shape{rows[i % 3], 64}));
    CHECK(part.slice_bytes == rows[i % 3] * (is_bias ? 4 : kRow));
    CHECK(part.slices[0] == (is_bias ? bias.data() + first[i % 3] * 4 : matrix.data() + first[i % 3] * kRow));
  }
}

TEST_CASE("gate and up are the halves of every expert", "[files]") {
  const std::vector<std::byte> bytes(3 * 8 * 16 * 2);
  const auto parts = split_fused({whole("blk.0.ffn_gate_up_exps.weight", DType::F16, {3, 8, 16}, bytes, 3)}, {}, "file");
  REQUIRE(parts);
  REQUIRE(parts->size() == 2);
  CHECK((*parts)[0].name == "blk.0.ffn_gate_exps.weight");
  CHECK((*parts)[1].name == "blk.0.ffn_up_exps.weight");
  for (size_t part = 0; part < 2; ++part) {
    const TensorView& half = (*parts)[part];
    CHECK(half.shape == Shape{3, 4, 16});
    REQUIRE(half.slices.size() == 3);
    for (size_t e = 0; e < 3; ++e) CHECK(half.slices[e] == bytes.data() + (2 * e + part) * 4 * 16 * 2);
  }
}

TEST_CASE("gate and up that lie transposed are halves of every row there", "[files]") {
  std::vector<uint16_t> stored;  // [16, 8]: element (col, row) counts up; small integers are their own order in F16
  for (uint16_t i = 0; i < 16 * 8; ++i) stored.push_back(static_cast<uint16_t>(0x3c00 + i));
  const auto bytes = std::as_bytes(std::span(stored));
  TensorView fused = whole("blk.0.ffn_gate_up_exps.weight", DType::F16, {1, 8, 16}, {bytes.begin(), bytes.end()}, 1);
  fused.slices = {bytes.data()};
  fused.transposed = DType::F16;
  const auto parts = split_fused({fused}, {}, "file");
  REQUIRE(parts);
  REQUIRE(parts->size() == 2);
  for (size_t part = 0; part < 2; ++part) {
    const TensorView& half = (*parts)[part];
    CHECK(half.shape == Shape{1, 4, 16});
    std::vector<std::byte> room;
    const auto* rows = reinterpret_cast<const uint16_t*>(rows_of(half, 0, 0, 4, room));
    for (size_t row = 0; row < 4; ++row) {
      for (size_t col = 0; col < 16; ++col) CHECK(rows[row * 16 + col] == stored[col * 8 + part * 4 + row]);
    }
  }
}

TEST_CASE("rows that are not those of the parts are refused, and what cannot be known stays whole", "[files]") {
  const std::vector<std::byte> bytes(128 * 64 * 2);
  const TensorView qkv = whole("blk.0.attn_qkv.weight", DType::F16, {128, 64}, bytes, 1);
  CHECK_FALSE(split_fused({qkv}, heads(4, 4), "file"));
  const auto unknown = split_fused({qkv}, {}, "file");
  REQUIRE(unknown);
  CHECK(unknown->size() == 1);
  const auto no_heads = split_fused({qkv}, heads(0, 0), "file");
  REQUIRE(no_heads);
  CHECK(no_heads->size() == 1);
  const TensorView twice = whole("blk.0.attn_k.weight", DType::F16, {32, 64}, bytes, 4);
  CHECK_FALSE(split_fused({qkv, twice}, heads(4, 2), "file"));
  CHECK_FALSE(split_fused({whole("blk.0.ffn_gate_up_exps.weight", DType::F16, {1, 7, 16}, bytes, 1)}, {}, "file"));
}

}  // namespace
}  // namespace siskin
