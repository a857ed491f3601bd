// synthesize_model: the tensors of a shape, filled with random weights whose activations neither die nor explode.

#include <siskin/synth.h>
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <vector>

#include "engine/quantize/free_space.h"
#include "engine/quantize/tensor_plan.h"
#include "engine/quantize/tool_threads.h"
#include "engine/synth/placeholder_tokenizer.h"
#include "engine/synth/random_weights.h"
#include "engine/synth/router_skew.h"
#include "engine/synth/shape.h"
#include "formats/gguf.h"
#include "formats/try.h"

namespace siskin {
namespace {

namespace fs = std::filesystem;

// A skewed router needs something that every token has: component 0 of the residual stream, which embeddings set to this
// multiple of their own deviation and which no layer writes to.
constexpr double kCommonComponent = 4.0;
// What all layers together add to the residual stream, as a share of the embedding's variance: SwiGLU of unit inputs has
// variance 0.36 (less after mixing experts) and each layer's weighs half a layer's share; attention over many positions
// averages to little.
constexpr double kResidualGrowth = 0.15;

struct SynthPlan {
  ModelShape shape;
  DType type;
  uint64_t seed;
  std::vector<double> router_biases;  // by rank; empty: all experts alike

  bool skewed() const { return !router_biases.empty(); }
  // Projections have deviation 1/sqrt(cols), so each of a layer's two additions to the residual stream has at most unit
  // variance; embeddings of variance 2 * n_layers stay the larger part of it to the end, and so routing differs from token to
  // token.
  double embedding_sigma() const { return std::sqrt(2.0 * static_cast<double>(shape.n_layers)); }
  // A tied head multiplies by those same embeddings. The last norm takes their size out, so that logits are about 1 either way,
  // and flips half of the signs, or every token would predict itself and decoding would run one token, and one set of experts,
  // forever.
  std::vector<float> last_norm() const {
    std::vector<float> weights(shape.d_model, 1.0f);
    if (!shape.tied) return weights;
    const double size = 1.0 / (embedding_sigma() * std::sqrt(static_cast<double>(shape.d_model)));
    RandomBits signs(row_seed(seed, ~0ull, 0));
    for (float& weight : weights) weight = static_cast<float>((signs.next() & 1u) != 0 ? size : -size);
    return weights;
  }
  // What RMSNorm makes of component 0 before layer `layer`'s FFN.
  double common_after_norm(size_t layer) const {
    const double share = static_cast<double>(layer + 1) / static_cast<double>(shape.n_layers);
    const double d = static_cast<double>(shape.d_model);
    const double mean_square = 1.0 + kResidualGrowth * share + kCommonComponent * kCommonComponent / d;
    return kCommonComponent / std::sqrt(mean_square);
  }
};

enum class Filling { random, residual_output, embedding };

// Row 0 of a skewed model's residual outputs is zero; everything else of a row comes from its own stream.
void fill_row(const SynthPlan& plan, Filling filling, DType type, size_t cols, size_t row, size_t rows_per_matrix,
              uint64_t seed, std::byte* out) {
  const double sigma = filling == Filling::embedding ? plan.embedding_sigma() : 1.0 / std::sqrt(static_cast<double>(cols));
  if (plan.skewed() && filling == Filling::residual_output && row % rows_per_matrix == 0) {
    std::memset(out, 0, row_bytes(type, cols));  // zero bytes are zero weights: a zero scale, or +0
    return;
  }
  fill_random_row(type, cols, static_cast<float>(sigma), seed, out);
  if (plan.skewed() && filling == Filling::embedding) set_first_weight(type, static_cast<float>(kCommonComponent * sigma), out);
}

// Collects the tensors of one model in file order.
class TensorList {
 public:
  TensorList(const SynthPlan& plan, tbb::task_arena& arena) : plan_(plan), arena_(arena) {}

  void add_matrix(const std::string& name, Shape shape, Filling filling) {
    const DType type = plan_tensor(name, shape, plan_.type).type;
    const size_t cols = shape.back();
    size_t rows = 1;
    for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
    const size_t rows_per_matrix = shape[shape.size() - 2];
    const RowRuns runs = cut_rows(rows, row_bytes(type, cols));
    GgufTensorSource source{name, type, std::move(shape), runs.n_runs, runs.rows_per_run * row_bytes(type, cols), {}};
    const uint64_t tensor = sources_.size();
    source.produce = [this, type, cols, runs, filling, rows_per_matrix, tensor](size_t run,
                                                                                std::span<std::byte> out) -> Status {
      const size_t bytes = row_bytes(type, cols);
      const size_t first = run * runs.rows_per_run;
      arena_.execute([&] {
        tbb::parallel_for(tbb::blocked_range<size_t>(0, runs.rows_per_run, 16), [&](const tbb::blocked_range<size_t>& range) {
          for (size_t i = range.begin(); i < range.end(); ++i) {
            fill_row(plan_, filling, type, cols, first + i, rows_per_matrix, row_seed(plan_.seed, tensor, first + i),
                     out.data() + i * bytes);
          }
        });
      });
      return {};
    };
    sources_.push_back(std::move(source));
  }

  void add_f32(const std::string& name, Shape shape, std::vector<float> values) {
    GgufTensorSource source{name, DType::F32, std::move(shape), 1, values.size() * sizeof(float), {}};
    source.produce = [values = std::move(values)](size_t, std::span<std::byte> out) -> Status {
      std::memcpy(out.data(), values.data(), out.size());
      return {};
    };
    sources_.push_back(std::move(source));
  }

  void add_norm(const std::string& name) {
    add_f32(name, {plan_.shape.d_model}, std::vector<float>(plan_.shape.d_model, 1.0f));
  }

  void add_layer(size_t layer);
  void add_ffn(size_t layer, const std::string& prefix);
  std::span<const GgufTensorSource> sources() const { return sources_; }

 private:
  const SynthPlan& plan_;
  tbb::task_arena& arena_;
  std::vector<GgufTensorSource> sources_;
};

void TensorList::add_ffn(size_t layer, const std::string& prefix) {
  const ModelShape& s = plan_.shape;
  add_norm(prefix + "ffn_norm.weight");
  if (!s.is_mixture()) {
    add_matrix(prefix + "ffn_gate.weight", {s.d_ff, s.d_model}, Filling::random);
    add_matrix(prefix + "ffn_up.weight", {s.d_ff, s.d_model}, Filling::random);
    add_matrix(prefix + "ffn_down.weight", {s.d_model, s.d_ff}, Filling::residual_output);
    return;
  }
  add_f32(prefix + "ffn_gate_inp.weight", {s.n_experts, s.d_model},
          router_rows(s.n_experts, s.d_model, plan_.router_biases, plan_.common_after_norm(layer),
                      row_seed(plan_.seed, layer, ~0ull)));
  add_matrix(prefix + "ffn_gate_exps.weight", {s.n_experts, s.d_ff, s.d_model}, Filling::random);
  add_matrix(prefix + "ffn_up_exps.weight", {s.n_experts, s.d_ff, s.d_model}, Filling::random);
  add_matrix(prefix + "ffn_down_exps.weight", {s.n_experts, s.d_model, s.d_ff}, Filling::residual_output);
}

void TensorList::add_layer(size_t layer) {
  const ModelShape& s = plan_.shape;
  const std::string prefix = "blk." + std::to_string(layer) + ".";
  add_norm(prefix + "attn_norm.weight");
  add_matrix(prefix + "attn_q.weight", {s.n_heads * s.head_dim, s.d_model}, Filling::random);
  add_matrix(prefix + "attn_k.weight", {s.n_kv_heads * s.head_dim, s.d_model}, Filling::random);
  add_matrix(prefix + "attn_v.weight", {s.n_kv_heads * s.head_dim, s.d_model}, Filling::random);
  add_matrix(prefix + "attn_output.weight", {s.d_model, s.n_heads * s.head_dim}, Filling::residual_output);
  add_ffn(layer, prefix);
}

Result<Metadata> describe(const SynthPlan& plan) {
  const ModelShape& s = plan.shape;
  Metadata meta;
  meta.set("general.architecture", s.architecture);
  meta.set("general.name", s.name + " (random weights)");
  meta.set("general.file_type", gguf_file_type(plan.type));
  meta.set("general.quantization_version", uint64_t{2});
  const auto set_count = [&](const char* key, size_t value) { meta.set(std::string("llama.") + key, uint64_t{value}); };
  set_count("block_count", s.n_layers);
  set_count("context_length", s.ctx);
  set_count("embedding_length", s.d_model);
  set_count("feed_forward_length", s.d_ff);
  set_count("attention.head_count", s.n_heads);
  set_count("attention.head_count_kv", s.n_kv_heads);
  set_count("attention.key_length", s.head_dim);
  set_count("attention.value_length", s.head_dim);
  set_count("rope.dimension_count", s.head_dim);
  set_count("vocab_size", s.n_vocab);
  if (s.is_mixture()) {
    set_count("expert_count", s.n_experts);
    set_count("expert_used_count", s.top_k);
  }
  meta.set("llama.rope.freq_base", s.rope_theta);
  meta.set("llama.attention.layer_norm_rms_epsilon", 1e-5);
  SISKIN_TRY_STATUS(add_placeholder_tokenizer(s.n_vocab, meta));
  return meta;
}

}  // namespace

Result<SynthReport> synthesize_model(const fs::path& out, const SynthOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  SISKIN_TRY(const DType type, writable_type(options.type));
  if (!(options.router_skew >= 0 && options.router_skew <= 10)) {
    return Error{ErrorCode::invalid_argument, "router skew: expected 0 to 10, got " + std::to_string(options.router_skew)};
  }
  SISKIN_TRY(ModelShape shape, read_shape(options.like));
  std::error_code ignored;
  if (fs::equivalent(options.like, out, ignored)) {
    return Error{ErrorCode::invalid_argument, out.string() + ": the output would replace the shape; name another file"};
  }
  if (options.layers != 0) shape.n_layers = options.layers;
  SISKIN_TRY_STATUS(check_shape(shape, options.like));

  SynthPlan plan{shape, type, options.seed, {}};
  if (options.router_skew > 0 && shape.is_mixture()) {
    plan.router_biases = biases_by_rank(shape.n_experts, shape.top_k, options.router_skew);
  }
  SISKIN_TRY(const Metadata metadata, describe(plan));
  tbb::task_arena arena(tool_threads(options.threads));
  TensorList tensors(plan, arena);
  tensors.add_matrix("token_embd.weight", {shape.n_vocab, shape.d_model}, Filling::embedding);
  for (size_t layer = 0; layer < shape.n_layers; ++layer) tensors.add_layer(layer);
  tensors.add_f32("output_norm.weight", {shape.d_model}, plan.last_norm());
  if (!shape.tied) tensors.add_matrix("output.weight", {shape.n_vocab, shape.d_model}, Filling::random);
  SISKIN_TRY_STATUS(check_free_space(out, tensors.sources()));
  SISKIN_TRY_STATUS(write_gguf(out, metadata, tensors.sources(), options.on_progress));

  SynthReport report;
  report.total_params = shape.total_params();
  report.active_params = shape.active_params();
  std::error_code failed;
  report.bytes = fs::file_size(out, failed);
  if (failed) return Error{ErrorCode::io, out.string() + ": " + failed.message()};
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace siskin
