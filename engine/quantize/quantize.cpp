// quantize_model: streams a model's tensors into a GGUF file, each row decoded to f32 and rounded to its new type.

#include <siskin/quantize.h>

#include <chrono>
#include <cstring>
#include <memory>

#include "engine/exec/fork_join.h"
#include "engine/quantize/free_space.h"
#include "engine/quantize/hf_order.h"
#include "engine/quantize/hf_output.h"
#include "engine/quantize/output_file.h"
#include "engine/quantize/output_metadata.h"
#include "engine/quantize/tensor_plan.h"
#include "engine/quantize/tool_threads.h"
#include "formats/blocks/codec.h"
#include "formats/gguf.h"
#include "formats/model_file.h"
#include "formats/try.h"

namespace siskin {
namespace {

namespace fs = std::filesystem;

// One tensor on its way: where its rows are, and what becomes of them.
struct TensorJob {
  const TensorView* source;
  DType type;
  size_t head_dim;  // rows are reordered by heads of this size; 0: not at all
  RowRuns runs;
  bool add_one = false;  // to every value

  size_t rows() const { return source->elements() / source->cols(); }
  const std::byte* source_row(size_t row, std::vector<std::byte>& room) const {
    const size_t from = head_dim == 0 ? row : half_split_row(row, head_dim);
    return rows_of(*source, from / source->rows(), from % source->rows(), 1, room);
  }
};

void convert_rows(const TensorJob& job, size_t first, size_t last, std::byte* out) {
  const size_t cols = job.source->cols();
  const size_t bytes = row_bytes(job.type, cols);
  std::vector<float> values(cols);
  std::vector<std::byte> room;
  for (size_t row = first; row < last; ++row, out += bytes) {
    const std::byte* from = job.source_row(row, room);
    if (job.type == job.source->type) {  // requantising to the same type would only add rounding
      std::memcpy(out, from, bytes);
      continue;
    }
    decode_row(job.source->type, from, values.data(), cols);
    encode_row(job.type, values.data(), out, cols);
  }
}

// A vector is one row to the writer, except that a bias of q or k is reordered element by element.
Status convert_vector(const TensorJob& job, std::byte* out) {
  const size_t n = job.source->elements();
  std::vector<float> values(n);
  decode_row(job.source->type, job.source->slices[0], values.data(), n);
  if (job.head_dim != 0) {
    std::vector<float> ordered(n);
    for (size_t i = 0; i < n; ++i) ordered[i] = values[half_split_row(i, job.head_dim)];
    values.swap(ordered);
  }
  for (float& value : values) value += job.add_one ? 1.0f : 0.0f;
  encode_row(job.type, values.data(), out, n);
  return {};
}

Status produce_run(const TensorJob& job, tbb::task_arena& arena, size_t run, std::span<std::byte> out) {
  if (job.type == job.source->type && !dtype_info(job.type).built) {  // integer tables pass through untouched
    std::memcpy(out.data(), job.source->slices[0], out.size());
    return {};
  }
  if (job.source->shape.size() < 2) return convert_vector(job, out.data());
  const size_t bytes = row_bytes(job.type, job.source->cols());
  const size_t first = run * job.runs.rows_per_run;
  fork_join(arena, 0, job.runs.rows_per_run, 16,
            [&](size_t begin, size_t end) { convert_rows(job, first + begin, first + end, out.data() + begin * bytes); });
  return {};
}

bool is_integer(DType type) {
  return type == DType::I8 || type == DType::I16 || type == DType::I32 || type == DType::I64 || type == DType::F64;
}

Result<TensorJob> plan_job(const ModelFile& file, const TensorView& tensor, DType asked, QuantizeReport& report) {
  TensorJob job{&tensor, tensor.type, 0, {}, lacks_one(file, tensor)};
  if (tensor.elements() == 0 || tensor.slices.empty()) {
    return Error{ErrorCode::corrupt_file, file.path().string() + ": " + tensor.name + ": empty tensor"};
  }
  if (is_integer(tensor.type)) {
    if (tensor.slices.size() != 1) {
      return Error{ErrorCode::unsupported, file.path().string() + ": " + tensor.name + ": integer tensor in several slices"};
    }
    job.runs = {1, job.rows()};
    return job;
  }
  if (!dtype_info(tensor.type).built) {
    return Error{ErrorCode::unsupported,
                 file.path().string() + ": " + tensor.name + ": type " + dtype_name(tensor.type) + " cannot be read yet"};
  }
  TensorPlan plan = plan_tensor(tensor.name, tensor.shape, asked);
  if (!plan.fallback.empty()) report.fallbacks.push_back(std::move(plan.fallback));
  job.type = plan.type;
  SISKIN_TRY(job.head_dim, reorder_head_dim(file, tensor));
  job.runs = cut_rows(job.rows(), row_bytes(job.type, tensor.cols()));
  return job;
}

// The plain type that most weights of matrices have; F16 for those that are quantized.
DType plain_type(const ModelFile& file) {
  std::map<DType, uint64_t> params;
  for (const TensorView& tensor : file.tensors()) {
    const bool plain = tensor.type == DType::F32 || tensor.type == DType::BF16;
    if (tensor.shape.size() >= 2) params[plain ? tensor.type : DType::F16] += tensor.elements();
  }
  DType most = DType::F16;
  for (const auto& [type, n] : params) {
    if (n > params[most]) most = type;
  }
  return most;
}

// What a mixture needs to know, of the file's own architecture.
Result<MixtureModel> mixture_model(const ModelFile& file) {
  const Metadata& metadata = file.metadata();
  SISKIN_TRY(const std::string prefix, metadata.string("general.architecture"));
  MixtureModel model;
  SISKIN_TRY(model.n_layers, metadata.u64(prefix + ".block_count"));
  SISKIN_TRY(model.n_experts, metadata.u64_or(prefix + ".expert_count", 0));
  SISKIN_TRY(const uint64_t heads, metadata.u64(prefix + ".attention.head_count"));
  SISKIN_TRY(const uint64_t kv_heads, metadata.u64_or(prefix + ".attention.head_count_kv", heads));
  if (kv_heads == 0) return Error{ErrorCode::corrupt_file, file.path().string() + ": no KV heads"};
  model.heads_per_kv = heads / kv_heads;
  model.tied_embedding = file.find("output.weight") == nullptr;
  return model;
}

}  // namespace

Result<QuantizeReport> quantize_model(const fs::path& in, const fs::path& out, const QuantizeOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  if (const DTypeInfo* own = folder_type(options.type)) return quantize_folder(in, out, own->type, options);
  const bool as_read = options.type == "auto";
  AskedType asked(DType::F16);
  if (!as_read) {
    SISKIN_TRY(asked, AskedType::parse(options.type));
  }
  SISKIN_TRY_STATUS(check_output_path(in, out));
  SISKIN_TRY(const ModelFile file, ModelFile::open(in));
  if (as_read) asked = AskedType(plain_type(file));
  if (file.is_packed()) {
    return Error{ErrorCode::unsupported, in.string() + ": is a packed file; quantize the file that it was packed from"};
  }
  MixtureModel model;
  if (asked.is_mixture()) {
    SISKIN_TRY(model, mixture_model(file));
  }

  QuantizeReport report;
  tbb::task_arena arena(tool_threads(options.threads));
  std::vector<GgufTensorSource> sources;
  uint64_t params = 0;
  uint64_t tensor_bytes = 0;
  for (const TensorView& tensor : file.tensors()) {
    SISKIN_TRY(const TensorJob job, plan_job(file, tensor, asked.of(tensor.name, model), report));
    GgufTensorSource source;
    source.name = tensor.name;
    source.type = job.type;
    source.shape = tensor.shape;
    source.n_slices = job.runs.n_runs;
    source.slice_bytes = job.runs.rows_per_run * row_bytes(job.type, tensor.cols());
    source.produce = [job, &arena](size_t run, std::span<std::byte> bytes) { return produce_run(job, arena, run, bytes); };
    ++report.types[dtype_name(job.type)];
    params += tensor.elements();
    tensor_bytes += source.n_slices * source.slice_bytes;
    sources.push_back(std::move(source));
  }
  if (params == 0) return Error{ErrorCode::corrupt_file, in.string() + ": holds no tensors"};

  SISKIN_TRY(const Metadata metadata, output_metadata(file, asked.file_type()));
  SISKIN_TRY_STATUS(check_free_space(out, sources));
  SISKIN_TRY_STATUS(write_gguf(out, metadata, sources, options.on_progress));
  report.bits_per_weight = 8.0 * static_cast<double>(tensor_bytes) / static_cast<double>(params);
  SISKIN_TRY(report.bytes, written_bytes(out));
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace siskin
