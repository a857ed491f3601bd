// Which type each tensor takes, in what pieces, and in which row order.
#include <catch2/catch.hpp>
#include <set>

#include "engine/quantize/hf_order.h"
#include "engine/quantize/tensor_plan.h"

using namespace siskin;

TEST_CASE("matrices take the asked type; norms, biases and routers stay F32", "[quantize]") {
  CHECK(plan_tensor("blk.0.attn_q.weight", {64, 64}, DType::Q4_0).type == DType::Q4_0);
  CHECK(plan_tensor("token_embd.weight", {512, 64}, DType::Q8_0).type == DType::Q8_0);
  CHECK(plan_tensor("output.weight", {512, 64}, DType::BF16).type == DType::BF16);
  CHECK(plan_tensor("blk.0.ffn_down_exps.weight", {8, 64, 64}, DType::Q4_0).type == DType::Q4_0);
  CHECK(plan_tensor("blk.0.attn_norm.weight", {64}, DType::Q4_0).type == DType::F32);
  CHECK(plan_tensor("output_norm.weight", {64}, DType::F16).type == DType::F32);
  CHECK(plan_tensor("blk.0.attn_q.bias", {64}, DType::F16).type == DType::F32);
  CHECK(plan_tensor("blk.0.ffn_gate_inp.weight", {8, 64}, DType::Q8_0).type == DType::F32);
}

TEST_CASE("a row that no block divides falls back, and says so", "[quantize]") {
  const TensorPlan plan = plan_tensor("blk.0.ffn_down.weight", {64, 172}, DType::Q4_0);
  CHECK(plan.type == DType::F16);
  CHECK(plan.fallback == "blk.0.ffn_down.weight: 172 columns, q4_0 needs a multiple of 32: f16");
  CHECK(plan_tensor("blk.0.ffn_down.weight", {64, 172}, DType::F32).fallback.empty());
  CHECK(plan_tensor("blk.0.ffn_down.weight", {64, 160}, DType::Q4_0).fallback.empty());
}

TEST_CASE("rows that blocks of 256 do not divide take llama.cpp's blocks of 32", "[quantize]") {
  const std::pair<DType, DType> falls[] = {{DType::Q6_K, DType::Q8_0}, {DType::Q5_K, DType::Q5_1},
                                           {DType::Q4_K, DType::Q5_0}, {DType::Q3_K, DType::Q4_0},
                                           {DType::Q2_K, DType::Q4_0}, {DType::IQ4_XS, DType::IQ4_NL}};
  for (const auto& [asked, taken] : falls) {
    INFO(dtype_name(asked));
    CHECK(plan_tensor("blk.0.ffn_up.weight", {64, 512}, asked).type == asked);
    CHECK(plan_tensor("blk.0.ffn_up.weight", {64, 288}, asked).type == taken);
    CHECK(plan_tensor("blk.0.ffn_up.weight", {64, 172}, asked).type == DType::F16);
  }
  CHECK(plan_tensor("blk.0.ffn_up.weight", {64, 288}, DType::Q4_K).fallback ==
        "blk.0.ffn_up.weight: 288 columns, q4_k needs a multiple of 256: q5_0");
}

TEST_CASE("every type that has kernels can be written", "[quantize]") {
  for (uint32_t id = 0; id < 64; ++id) {
    const DTypeInfo* info = find_dtype(id);
    if (info == nullptr || !info->built) continue;
    INFO(info->name);
    const auto type = writable_type(info->name);
    REQUIRE(type);
    CHECK(*type == info->type);
    CHECK(gguf_file_type(*type) <= 41);
  }
}

TEST_CASE("runs cover the rows exactly and stay small", "[quantize]") {
  for (const size_t rows : {1u, 7u, 4096u, 32000u, 128256u, 151936u, 32003u}) {
    for (const size_t row_bytes : {34u, 4352u, 16384u}) {
      const RowRuns runs = cut_rows(rows, row_bytes);
      CHECK(runs.n_runs * runs.rows_per_run == rows);
      if (rows != 32003) CHECK(runs.rows_per_run * row_bytes <= (size_t{64} << 20));  // a prime count is written whole
    }
  }
}

TEST_CASE("half-split rows go to interleaved pairs head by head", "[quantize]") {
  // One head of 4: pairs (0,2) and (1,3) become neighbours.
  CHECK(half_split_row(0, 4) == 0);
  CHECK(half_split_row(1, 4) == 2);
  CHECK(half_split_row(2, 4) == 1);
  CHECK(half_split_row(3, 4) == 3);
  CHECK(half_split_row(4 + 1, 4) == 4 + 2);
  std::set<size_t> seen;
  for (size_t row = 0; row < 3 * 64; ++row) seen.insert(half_split_row(row, 64));
  CHECK(seen.size() == 3 * 64);
  CHECK(*seen.rbegin() == 3 * 64 - 1);
}

TEST_CASE("an unknown type is refused with the known ones", "[quantize]") {
  const auto type = writable_type("q9_9");
  REQUIRE(!type);
  CHECK(type.error().code == ErrorCode::invalid_argument);
  CHECK(type.error().message.find("q8_0") != std::string::npos);
  CHECK(!writable_type("iq2_xxs"));  // known to GGUF, not built
}
