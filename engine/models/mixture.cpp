// The metadata of mixtures: which layers have experts, how wide, and how they are chosen.

#include "engine/models/decoder.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr uint64_t kMostExperts = 1u << 16;

Status parse_layers(const ModelFile& file, ModelSpec& spec) {
  const Metadata& meta = file.metadata();
  const std::string prefix = spec.architecture + ".";
  SISKIN_TRY(spec.n_dense_layers, meta.u64_or(prefix + "leading_dense_block_count", 0));
  SISKIN_TRY(spec.moe_step, meta.u64_or(prefix + "interleave_moe_layer_step", 1));
  // Hugging Face writes 0 for "every layer".
  if (spec.moe_step == 0) spec.moe_step = 1;
  size_t mixtures = 0;
  for (size_t layer = 0; layer < spec.n_layers; ++layer) mixtures += spec.is_moe(layer);
  if (mixtures > 0) return {};
  return bad_model(file, prefix + "leading_dense_block_count: " + std::to_string(spec.n_dense_layers) + " and interleave_moe_layer_step " +
                             std::to_string(spec.moe_step) + " leave none of " + std::to_string(spec.n_layers) + " layers experts");
}

Status parse_widths(const ModelFile& file, ModelSpec& spec) {
  const Metadata& meta = file.metadata();
  const std::string prefix = spec.architecture + ".";
  spec.d_expert = spec.d_ff;
  if (const std::string key = prefix + "expert_feed_forward_length"; meta.has(key)) {
    SISKIN_TRY(spec.d_expert, dimension(file, key));
  }
  SISKIN_TRY(spec.n_shared_experts, meta.u64_or(prefix + "expert_shared_count", 0));
  if (const std::string key = prefix + "expert_shared_feed_forward_length"; meta.has(key)) {
    SISKIN_TRY(spec.d_shared, dimension(file, key));
    if (spec.n_shared_experts == 0) spec.n_shared_experts = 1;
    return {};
  }
  if (spec.n_shared_experts > kMostExperts) {
    return bad_model(file, prefix + "expert_shared_count: " + std::to_string(spec.n_shared_experts) + ", expected at most 65536");
  }
  spec.d_shared = spec.n_shared_experts * spec.d_expert;
  return {};
}

Status parse_router(const ModelFile& file, ModelSpec& spec) {
  using Score = RouterSpec::Score;
  const Metadata& meta = file.metadata();
  const std::string prefix = spec.architecture + ".";
  RouterSpec& router = spec.router;
  SISKIN_TRY(const uint64_t gating, meta.u64_or(prefix + "expert_gating_func", 0));
  if (gating != 0) {
    constexpr Score kGating[] = {Score::softmax, Score::sigmoid, Score::softmax_of_chosen, Score::sqrt_softplus};
    if (gating > std::size(kGating)) {
      return bad_model(file, prefix + "expert_gating_func: " + std::to_string(gating) + ", expected 1 to 4");
    }
    router.score = kGating[gating - 1];
  }
  SISKIN_TRY(router.normalise, meta.boolean_or(prefix + "expert_weights_norm", router.normalise));
  SISKIN_TRY(const double scale, meta.f64_or(prefix + "expert_weights_scale", double{router.scale}));
  if (!(scale >= 0) || scale > 1e6) return bad_model(file, prefix + "expert_weights_scale: expected a number from 0 to 1e6");
  router.scale = scale == 0 ? 1.0f : static_cast<float>(scale);  // 0: llama.cpp's "none"
  SISKIN_TRY(router.n_groups, meta.u64_or(prefix + "expert_group_count", 1));
  SISKIN_TRY(router.groups_used, meta.u64_or(prefix + "expert_group_used_count", router.n_groups));
  if (router.n_groups <= 1) {
    router.n_groups = router.groups_used = 1;
    return {};
  }
  if (router.n_groups > spec.n_experts || spec.n_experts % router.n_groups != 0 || router.groups_used == 0 ||
      router.groups_used > router.n_groups || spec.top_k > router.groups_used * (spec.n_experts / router.n_groups)) {
    return bad_model(file, prefix + "expert_group_count: " + std::to_string(router.groups_used) + " of " +
                               std::to_string(router.n_groups) + " groups do not hold " + std::to_string(spec.top_k) + " of " +
                               std::to_string(spec.n_experts) + " experts");
  }
  return {};
}

}  // namespace

Status parse_mixture(const ModelFile& file, ModelSpec& spec) {
  const Metadata& meta = file.metadata();
  const std::string prefix = spec.architecture + ".";
  SISKIN_TRY(spec.n_nextn_layers, meta.u64_or(prefix + "nextn_predict_layers", 0));
  if (spec.n_nextn_layers >= spec.n_layers) {
    return bad_model(file, prefix + "nextn_predict_layers: " + std::to_string(spec.n_nextn_layers) + " of block_count " +
                               std::to_string(spec.n_layers));
  }
  spec.n_layers -= spec.n_nextn_layers;  // block_count counts them
  SISKIN_TRY(spec.n_experts, meta.u64_or(prefix + "expert_count", 0));
  SISKIN_TRY(spec.top_k, meta.u64_or(prefix + "expert_used_count", 0));
  if (spec.n_experts == 0) return {};
  if (spec.n_experts > kMostExperts || spec.top_k == 0 || spec.top_k > spec.n_experts) {
    return bad_model(file, prefix + "expert_used_count: " + std::to_string(spec.top_k) + " of expert_count " +
                               std::to_string(spec.n_experts));
  }
  SISKIN_TRY_STATUS(parse_layers(file, spec));
  SISKIN_TRY_STATUS(parse_widths(file, spec));
  return parse_router(file, spec);
}

void assume_shared_expert(ModelSpec& spec, size_t width) {
  if (spec.d_shared != 0) return;
  spec.n_shared_experts = 1;
  spec.d_shared = width;
}

}  // namespace siskin
