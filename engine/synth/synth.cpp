// synthesize_model: the tensors of a shape, filled with random weights whose activations neither die nor explode.

#include <siskin/synth.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <vector>

#include "engine/exec/fork_join.h"
#include "engine/quantize/free_space.h"
#include "engine/quantize/output_file.h"
#include "engine/quantize/tensor_plan.h"
#include "engine/quantize/tool_threads.h"
#include "engine/synth/architecture.h"
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
  AskedType type;
  uint64_t seed;
  std::vector<double> router_biases;  // by rank; empty: all experts alike

  DType type_of(const std::string& tensor, const Shape& of) const {
    const size_t heads_per_kv = shape.kv_rank == 0 ? shape.n_heads / shape.n_kv_heads : shape.n_heads;
    return plan_tensor(tensor, of, type.of(tensor, {shape.n_layers, shape.n_experts, heads_per_kv, shape.tied})).type;
  }
  bool skewed() const { return !router_biases.empty(); }
  // Projections have deviation 1/sqrt(cols), so each of a layer's two additions to the residual stream has at most unit
  // variance; embeddings of variance 2 * n_layers stay the larger part of it to the end, and so routing differs from token to
  // token.
  double embedding_sigma() const { return std::sqrt(2.0 * static_cast<double>(shape.n_layers)); }
  // Gemma multiplies what it looks up by sqrt(d_model).
  double stored_embedding_sigma() const {
    return shape.architecture == "gemma" ? embedding_sigma() / std::sqrt(static_cast<double>(shape.d_model))
                                         : embedding_sigma();
  }
  // A tied head multiplies by those same embeddings. The last norm takes their size out, so that logits are about 1 either way,
  // and flips half of the signs, or every token would predict itself and decoding would run one token, and one set of experts,
  // forever.
  std::vector<float> last_norm() const {
    std::vector<float> weights(shape.d_model, 1.0f);
    if (!shape.tied) return weights;
    const double size = 1.0 / (stored_embedding_sigma() * std::sqrt(static_cast<double>(shape.d_model)));
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

size_t elements_of(const Shape& shape) { return std::accumulate(shape.begin(), shape.end(), size_t{1}, std::multiplies<>()); }

// Row 0 of a skewed model's residual outputs is zero; everything else of a row comes from its own stream.
void fill_row(const SynthPlan& plan, Filling filling, DType type, size_t cols, size_t row, size_t rows_per_matrix,
              uint64_t seed, std::byte* out) {
  const double sigma =
      filling == Filling::embedding ? plan.stored_embedding_sigma() : 1.0 / std::sqrt(static_cast<double>(cols));
  if (plan.skewed() && filling == Filling::residual_output && row % rows_per_matrix == 0) {
    std::memset(out, 0, row_bytes(type, cols));  // zero bytes are zero weights: a zero scale, or +0
    return;
  }
  fill_random_row(type, cols, static_cast<float>(sigma), seed, out);
  if (plan.skewed() && filling == Filling::embedding) set_first_weight(type, static_cast<float>(kCommonComponent * sigma), out);
}

// The tensors of one model as sources for the writer, in file order.
class TensorList {
 public:
  TensorList(const SynthPlan& plan, tbb::task_arena& arena) : plan_(plan), arena_(arena) {
    for (const SynthTensor& tensor : tensors_of(plan.shape)) add(tensor);
  }

  std::span<const GgufTensorSource> sources() const { return sources_; }

 private:
  void add(const SynthTensor& tensor) {
    const ModelShape& s = plan_.shape;
    switch (tensor.filling) {
      case Filling::random:
      case Filling::residual_output:
      case Filling::embedding:
        return add_matrix(tensor.name, tensor.shape, tensor.filling);
      case Filling::router:
        return add_f32(tensor, router_rows(s.n_experts, s.d_model, plan_.router_biases, plan_.common_after_norm(tensor.layer),
                                           row_seed(plan_.seed, tensor.layer, ~0ull)));
      case Filling::ones:
      case Filling::zeros:
        return add_f32(tensor, std::vector<float>(elements_of(tensor.shape), tensor.filling == Filling::ones ? 1.0f : 0.0f));
      case Filling::last_norm:
        return add_f32(tensor, plan_.last_norm());
    }
  }

  void add_matrix(const std::string& name, const Shape& shape, Filling filling) {
    const DType type = plan_.type_of(name, shape);
    const size_t cols = shape.back();
    size_t rows = 1;
    for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
    const size_t rows_per_matrix = shape[shape.size() - 2];
    const RowRuns runs = cut_rows(rows, row_bytes(type, cols));
    GgufTensorSource source{name, type, shape, runs.n_runs, runs.rows_per_run * row_bytes(type, cols), {}};
    const uint64_t tensor = sources_.size();
    source.produce = [this, type, cols, runs, filling, rows_per_matrix, tensor](size_t run,
                                                                                std::span<std::byte> out) -> Status {
      const size_t bytes = row_bytes(type, cols);
      const size_t first = run * runs.rows_per_run;
      fork_join(arena_, 0, runs.rows_per_run, 16, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
          fill_row(plan_, filling, type, cols, first + i, rows_per_matrix, row_seed(plan_.seed, tensor, first + i),
                   out.data() + i * bytes);
        }
      });
      return {};
    };
    sources_.push_back(std::move(source));
  }

  void add_f32(const SynthTensor& tensor, std::vector<float> values) {
    GgufTensorSource source{tensor.name, DType::F32, tensor.shape, 1, values.size() * sizeof(float), {}};
    source.produce = [values = std::move(values)](size_t, std::span<std::byte> out) -> Status {
      std::memcpy(out.data(), values.data(), out.size());
      return {};
    };
    sources_.push_back(std::move(source));
  }

  const SynthPlan& plan_;
  tbb::task_arena& arena_;
  std::vector<GgufTensorSource> sources_;
};

Result<Metadata> describe(const SynthPlan& plan) {
  Metadata meta;
  describe_architecture(plan.shape, meta);
  meta.set("general.name", plan.shape.name + " (random weights)");
  meta.set("general.file_type", plan.type.file_type());
  meta.set("general.quantization_version", uint64_t{2});
  SISKIN_TRY_STATUS(add_placeholder_tokenizer(plan.shape.n_vocab, meta));
  return meta;
}

}  // namespace

Result<SynthReport> synthesize_model(const fs::path& out, const SynthOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  SISKIN_TRY(const AskedType type, AskedType::parse(options.type));
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
  const TensorList tensors(plan, arena);
  SISKIN_TRY_STATUS(check_free_space(out, tensors.sources()));
  SISKIN_TRY_STATUS(write_gguf(out, metadata, tensors.sources(), options.on_progress));

  SynthReport report;
  report.total_params = shape.total_params();
  report.active_params = shape.active_params();
  SISKIN_TRY(report.bytes, written_bytes(out));
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace siskin
