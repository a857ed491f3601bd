// Which type each tensor takes, in what pieces, and in which row order.
#include <catch2/catch.hpp>
#include <set>

#include "engine/quantize/hf_order.h"
#include "engine/quantize/mixture.h"
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

TEST_CASE("a mixture gives more bits where llama.cpp does", "[quantize]") {
  const MixtureModel dense{16, 0, 4, true};
  const Mixture* q4_k_m = find_mixture("q4_k_m");
  REQUIRE(q4_k_m != nullptr);
  // The first and the last eighth of 16 layers, and every third between.
  for (size_t layer = 0; layer < 16; ++layer) {
    const bool more = layer < 2 || layer >= 14 || layer == 4 || layer == 7 || layer == 10 || layer == 13;
    const std::string block = "blk." + std::to_string(layer) + ".";
    INFO(block);
    CHECK(q4_k_m->type_of(block + "attn_v.weight", dense) == (more ? DType::Q6_K : DType::Q4_K));
    CHECK(q4_k_m->type_of(block + "ffn_down.weight", dense) == (more ? DType::Q6_K : DType::Q4_K));
    CHECK(q4_k_m->type_of(block + "ffn_gate.weight", dense) == DType::Q4_K);
  }
  CHECK(q4_k_m->type_of("token_embd.weight", dense) == DType::Q6_K);
  CHECK(q4_k_m->type_of("token_embd.weight", {16, 0, 4, false}) == DType::Q4_K);
  CHECK(q4_k_m->type_of("output.weight", {16, 0, 4, false}) == DType::Q6_K);
  CHECK(find_mixture("q2_k_m")->type_of("blk.3.attn_v.weight", dense) == DType::Q4_K);
  CHECK(find_mixture("q3_k_m")->type_of("blk.0.ffn_down.weight", dense) == DType::Q5_K);
  CHECK(find_mixture("q3_k_m")->type_of("blk.1.ffn_down.weight", dense) == DType::Q4_K);
  CHECK(find_mixture("q4_k_s")->type_of("blk.1.ffn_down.weight", dense) == DType::Q5_K);
  CHECK(find_mixture("q4_k_s")->type_of("blk.2.ffn_down.weight", dense) == DType::Q4_K);
  const MixtureModel mixtral{32, 8, 4, false};
  CHECK(q4_k_m->type_of("blk.5.attn_k.weight", mixtral) == DType::Q8_0);
  CHECK(q4_k_m->type_of("blk.5.attn_output.weight", mixtral) == DType::Q5_K);
  CHECK(q4_k_m->type_of("blk.31.ffn_down_exps.weight", mixtral) == DType::Q6_K);
  CHECK(find_mixture("q4_k") == nullptr);
}
