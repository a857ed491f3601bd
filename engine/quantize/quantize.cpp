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
#include "engine/quantize/output_tensors.h"
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
  OutputTensor tensor;
  DType type{};
  size_t head_dim = 0;  // rows are reordered by heads of this size; 0: not at all
  RowRuns runs;
  bool add_one = false;  // to every value

  const TensorView& first() const { return *tensor.parts.front(); }
};

struct SourceRow {
  DType type;
  const std::byte* bytes;
};

SourceRow source_row(const TensorJob& job, size_t row, std::vector<std::byte>& room) {
  size_t from = job.head_dim == 0 ? row : half_split_row(row, job.head_dim);
  size_t part = 0;
  for (;; ++part) {
    const size_t rows = job.tensor.parts[part]->elements() / job.tensor.cols();
    if (from < rows) break;
    from -= rows;
  }
  const TensorView& view = *job.tensor.parts[part];
  return {view.type, rows_of(view, from / view.rows(), from % view.rows(), 1, room)};
}

void convert_rows(const TensorJob& job, size_t first, size_t last, std::byte* out) {
  const size_t cols = job.tensor.cols();
  const size_t bytes = row_bytes(job.type, cols);
  std::vector<float> values(cols);
  std::vector<std::byte> room;
  for (size_t row = first; row < last; ++row, out += bytes) {
    const SourceRow from = source_row(job, row, room);
    if (job.type == from.type) {  // requantising to the same type would only add rounding
      std::memcpy(out, from.bytes, bytes);
      continue;
    }
    decode_row(from.type, from.bytes, values.data(), cols);
    encode_row(job.type, values.data(), out, cols);
  }
}

// A vector is one row to the writer, except that a bias of q or k is reordered element by element.
Status convert_vector(const TensorJob& job, std::byte* out) {
  const size_t n = job.first().elements();
  std::vector<float> values(n);
  decode_row(job.first().type, job.first().slices[0], values.data(), n);
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
  if (job.type == job.first().type && !dtype_info(job.type).built) {  // integer tables pass through untouched
    std::memcpy(out.data(), job.first().slices[0], out.size());
    return {};
  }
  if (job.tensor.shape.size() < 2) return convert_vector(job, out.data());
  const size_t bytes = row_bytes(job.type, job.tensor.cols());
  const size_t first = run * job.runs.rows_per_run;
  fork_join(arena, 0, job.runs.rows_per_run, 16,
            [&](size_t begin, size_t end) { convert_rows(job, first + begin, first + end, out.data() + begin * bytes); });
  return {};
}

bool is_integer(DType type) {
  return type == DType::I8 || type == DType::I16 || type == DType::I32 || type == DType::I64 || type == DType::F64;
}

Status check_part(const ModelFile& file, const TensorView& part, bool whole) {
  const std::string where = file.path().string() + ": " + part.name;
  if (part.elements() == 0 || part.slices.empty()) return Error{ErrorCode::corrupt_file, where + ": empty tensor"};
  if (is_integer(part.type)) {
    if (part.slices.size() == 1 && whole) return {};
    return Error{ErrorCode::unsupported, where + ": integer tensor in several slices"};
  }
  if (dtype_info(part.type).built) return {};
  return Error{ErrorCode::unsupported, where + ": type " + dtype_name(part.type) + " cannot be read yet"};
}

Result<TensorJob> plan_job(const ModelFile& file, const OutputTensor& tensor, DType asked, QuantizeReport& report) {
  const bool whole = tensor.parts.size() == 1;
  for (const TensorView* part : tensor.parts) SISKIN_TRY_STATUS(check_part(file, *part, whole));
  TensorJob job{tensor, tensor.parts.front()->type, 0, {}, lacks_one(file, *tensor.parts.front())};
  if (is_integer(job.type)) {
    job.runs = {1, tensor.rows()};
    return job;
  }
  TensorPlan plan = plan_tensor(tensor.name, tensor.shape, asked);
  if (!plan.fallback.empty()) report.fallbacks.push_back(std::move(plan.fallback));
  job.type = plan.type;
  if (whole) {  // no architecture that keeps some as one orders their rows anew
    SISKIN_TRY(job.head_dim, reorder_head_dim(file, job.first()));
  }
  job.runs = cut_rows(tensor.rows(), row_bytes(job.type, tensor.cols()));
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

// Of a folder's quantized tensors those stay as they are whose type GGUF has.
bool stays(const ModelFile& file, const TensorView& tensor) {
  return file.is_hugging_face() && dtype_info(tensor.type).block_elems > 1 && in_gguf(tensor.type);
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
  report.notes.assign(file.notes().begin(), file.notes().end());
  tbb::task_arena arena(tool_threads(options.threads));
  std::vector<GgufTensorSource> sources;
  uint64_t params = 0;
  uint64_t tensor_bytes = 0;
  uint64_t file_type = asked.file_type();
  for (const OutputTensor& tensor : output_tensors(file)) {
    const TensorView& first = *tensor.parts.front();
    const bool as_is = as_read && tensor.parts.size() == 1 && stays(file, first);
    if (as_is) file_type = AskedType(first.type).file_type();
    SISKIN_TRY(const TensorJob job, plan_job(file, tensor, as_is ? first.type : asked.of(tensor.name, model), report));
    GgufTensorSource source;
    source.name = tensor.name;
    source.type = job.type;
    source.shape = tensor.shape;
    source.n_slices = job.runs.n_runs;
    source.slice_bytes = job.runs.rows_per_run * row_bytes(job.type, tensor.cols());
    source.produce = [job, &arena](size_t run, std::span<std::byte> bytes) { return produce_run(job, arena, run, bytes); };
    ++report.types[dtype_name(job.type)];
    params += tensor.rows() * tensor.cols();
    tensor_bytes += source.n_slices * source.slice_bytes;
    sources.push_back(std::move(source));
  }
  if (params == 0) return Error{ErrorCode::corrupt_file, in.string() + ": holds no tensors"};
  report.unused_tensors = file.left_out().tensors;
  report.unused_bytes = file.left_out().bytes;

  SISKIN_TRY(const Metadata metadata, output_metadata(file, file_type));
  SISKIN_TRY_STATUS(check_free_space(out, sources));
  SISKIN_TRY_STATUS(write_gguf(out, metadata, sources, options.on_progress));
  report.bits_per_weight = 8.0 * static_cast<double>(tensor_bytes) / static_cast<double>(params);
  SISKIN_TRY(report.bytes, written_bytes(out));
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace siskin
