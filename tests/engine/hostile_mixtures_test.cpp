// The keys by which mixtures say how many experts there are, which layers have them, how they are chosen, and how wide latents
// are: values that cannot be are refused with one line, whatever else loads runs.

#include <siskin/quantize.h>

#include <catch2/catch.hpp>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "tests/engine/hostile.h"
#include "tests/engine/tools_data.h"

namespace siskin {
namespace {

using test::Outcome;
using test::try_edit;
using tools_test::TempFolder;

// The tiny model of a family as the bytes of a GGUF file.
std::string bytes_of(const std::string& name) {
  const auto path = places::golden() / "families" / name;
  if (path.extension() == ".gguf") return tools_test::read_file(path);
  const TempFolder folder;
  QuantizeOptions options;
  options.type = "f16";
  REQUIRE(quantize_model(path, folder / "model.gguf", options));
  return tools_test::read_file(folder / "model.gguf");
}

std::string architecture_of(const std::string& bytes) {
  const auto contents = parse_gguf(std::as_bytes(std::span(bytes)), "model");
  REQUIRE(contents);
  return *contents->metadata.string("general.architecture");
}

Outcome try_value(const TempFolder& folder, const std::string& bytes, const std::string& key, const MetaValue& value) {
  const std::string whole = architecture_of(bytes) + "." + key;
  return try_edit(folder, bytes, [&](Metadata& meta, auto&) { meta.set(whole, value); });
}

// One of a mixture's with everything, one of each kind of feed-forward block, norm and choice beside it.
constexpr const char* kModels[] = {"deepseek3.gguf", "deepseek2_lite", "gpt_oss.gguf",     "glm4_moe",
                                   "llama4",         "dbrx",           "granitemoeshared", "qwen2_moe"};
constexpr uint64_t kHuge[] = {(1u << 16) + 1, (1u << 20) + 1, 0xffffffffu, uint64_t{1} << 63, ~uint64_t{0}};

}  // namespace

TEST_CASE("counts of experts that cannot be are refused", "[hostile]") {
  const char* name = GENERATE(from_range(std::begin(kModels), std::end(kModels)));
  const std::string bytes = bytes_of(name);
  const TempFolder folder;
  CAPTURE(name);
  REQUIRE(try_edit(folder, bytes, [](auto&, auto&) {}) == Outcome::ran);
  for (const char* key : {"expert_count", "expert_used_count"}) {
    CAPTURE(key);
    for (const uint64_t value : {uint64_t{0}, uint64_t{21}, uint64_t{1000}}) {
      CAPTURE(value);
      CHECK(try_value(folder, bytes, key, value) == Outcome::refused);  // not as many as the tensors hold; more than there are
    }
    for (const uint64_t value : kHuge) {
      CAPTURE(value);
      CHECK(try_value(folder, bytes, key, value) == Outcome::refused);
    }
  }
  for (const char* key : {"expert_feed_forward_length", "expert_shared_feed_forward_length", "expert_shared_count",
                          "leading_dense_block_count", "interleave_moe_layer_step", "nextn_predict_layers",
                          "expert_group_count", "expert_group_used_count", "expert_gating_func"}) {
    CAPTURE(key);
    for (const uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{3}, uint64_t{5}, uint64_t{100}}) {
      CAPTURE(value);
      try_value(folder, bytes, key, value);
    }
    // Of one group, and of shared experts that a model has not got, nothing is read.
    const bool may_be_ignored =
        std::string_view(key) == "expert_group_used_count" || std::string_view(key).starts_with("expert_shared");
    for (const uint64_t value : kHuge) {
      CAPTURE(value);
      const Outcome outcome = try_value(folder, bytes, key, value);
      if (!may_be_ignored) CHECK(outcome == Outcome::refused);
    }
    for (const MetaValue& wrong :
         {MetaValue(std::string("many")), MetaValue(int64_t{-1}), MetaValue(std::vector<int64_t>{1, 2})}) {
      CAPTURE(wrong.index());
      const Outcome outcome = try_value(folder, bytes, key, wrong);
      if (!may_be_ignored) CHECK(outcome == Outcome::refused);
    }
  }
}

TEST_CASE("groups that do not divide the experts, or do not hold enough of them, are refused", "[hostile]") {
  const std::string bytes = bytes_of("deepseek3.gguf");  // 2 of 4 groups of 2, 3 experts for each token
  const TempFolder folder;
  const auto try_groups = [&](uint64_t groups, uint64_t used) {
    return try_edit(folder, bytes, [&](Metadata& meta, auto&) {
      meta.set("deepseek2.expert_group_count", groups);
      meta.set("deepseek2.expert_group_used_count", used);
    });
  };
  CHECK(try_groups(4, 2) == Outcome::ran);
  CHECK(try_groups(8, 3) == Outcome::ran);
  for (const auto& [groups, used] : {std::pair<uint64_t, uint64_t>{3, 2}, {5, 5}, {16, 8}, {4, 1}, {4, 0}, {4, 5}, {8, 2}}) {
    CAPTURE(groups, used);
    CHECK(try_groups(groups, used) == Outcome::refused);
  }
}

TEST_CASE("scales that are no numbers, or below zero, are refused", "[hostile]") {
  struct Scale {
    const char* model;
    const char* key;
  };
  static constexpr Scale kScales[] = {{"deepseek3.gguf", "expert_weights_scale"},
                                      {"deepseek3.gguf", "rope.scaling.factor"},
                                      {"gpt_oss.gguf", "rope.scaling.factor"},
                                      {"granitemoeshared", "logit_scale"},
                                      {"granitemoeshared", "embedding_scale"},
                                      {"granitemoeshared", "residual_scale"},
                                      {"granitemoeshared", "attention.scale"},
                                      {"llama4", "attention.temperature_scale"},
                                      {"dbrx", "attention.clamp_kqv"},
                                      {"dbrx", "attention.layer_norm_epsilon"}};
  const Scale scale = GENERATE(from_range(std::begin(kScales), std::end(kScales)));
  const std::string bytes = bytes_of(scale.model);
  const TempFolder folder;
  for (const double value : {-1.0, -1e-30, 1e300, -std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    CAPTURE(scale.model, scale.key, value);
    CHECK(try_value(folder, bytes, scale.key, value) == Outcome::refused);
  }
  const MetaValue text = std::string("one");
  CHECK(try_value(folder, bytes, scale.key, text) == Outcome::refused);
}

TEST_CASE("windows and latents of impossible widths are refused", "[hostile]") {
  struct Width {
    const char* model;
    const char* key;
  };
  static constexpr Width kWidths[] = {
      {"deepseek3.gguf", "attention.kv_lora_rank"},   {"deepseek3.gguf", "attention.q_lora_rank"},
      {"deepseek3.gguf", "attention.key_length"},     {"deepseek3.gguf", "attention.value_length"},
      {"deepseek2_lite", "attention.key_length_mla"}, {"deepseek2_lite", "attention.value_length_mla"},
      {"deepseek3.gguf", "rope.dimension_count"},     {"llama4", "attention.chunk_size"},
      {"llama4", "attention.sliding_window_pattern"}, {"llama4", "attention.temperature_length"},
      {"gpt_oss.gguf", "attention.sliding_window"}};
  const Width width = GENERATE(from_range(std::begin(kWidths), std::end(kWidths)));
  const std::string bytes = bytes_of(width.model);
  const TempFolder folder;
  CAPTURE(width.model, width.key);
  CHECK(try_value(folder, bytes, width.key, uint64_t{0}) == Outcome::refused);
  for (const uint64_t value : {uint64_t{1}, uint64_t{7}, uint64_t{1} << 12}) try_value(folder, bytes, width.key, value);
  for (const uint64_t value : kHuge) {
    if (value <= 1u << 20) continue;
    CAPTURE(value);
    CHECK(try_value(folder, bytes, width.key, value) == Outcome::refused);
  }
}

}  // namespace siskin
