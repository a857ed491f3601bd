// pack_model: streams a model's matrices into a packed file, strip by strip.
#include <siskin/pack.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

#include "engine/exec/fork_join.h"
#include "engine/models/family.h"
#include "engine/quantize/free_space.h"
#include "engine/quantize/hf_tokenizer.h"
#include "engine/quantize/output_file.h"
#include "engine/quantize/tensor_plan.h"
#include "engine/quantize/tool_threads.h"
#include "formats/packed/layout.h"
#include "formats/packed_file.h"
#include "formats/try.h"

namespace siskin {
namespace {

namespace fs = std::filesystem;

// A matrix on its way: all strips of all slices, end to end, in equal runs.
struct MatrixJob {
  const ModelFile* file;
  const TensorView* source;
  size_t strips_per_slice;
  size_t strip_bytes;
  RowRuns runs;  // of strips

  void pack(size_t strip, std::byte* out) const {
    const size_t slice = strip / strips_per_slice, first_row = strip % strips_per_slice * kStripRows;
    const size_t rows = std::min(kStripRows, source->rows() - first_row);
    std::vector<std::byte> room;
    pack_strips(source->type, rows_of(*source, slice, first_row, rows, room), rows, source->cols(), 0, 1, out);
  }
};

Status produce_strips(const MatrixJob& job, tbb::task_arena& arena, size_t run, std::span<std::byte> out) {
  const size_t first = run * job.runs.rows_per_run;
  fork_join(arena, 0, job.runs.rows_per_run, 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) job.pack(first + i, out.data() + i * job.strip_bytes);
  });
  if (run + 1 == job.runs.n_runs) job.file->release(*job.source);
  return {};
}

GgufTensorSource packed_source(const ModelFile& file, const Tensor& tensor, tbb::task_arena& arena) {
  const TensorView& view = *tensor.source;
  GgufTensorSource source;
  source.name = view.name;
  source.type = view.type;
  source.shape = view.shape;
  if (tensor.add_one) {  // a packed file is no Hugging Face folder, and its reader adds nothing
    source.type = DType::F32;
    source.slice_bytes = tensor.slice_bytes();
    source.produce = [&tensor](size_t, std::span<std::byte> out) -> Status {
      std::memcpy(out.data(), tensor.file_values().data(), out.size());
      return {};
    };
    return source;
  }
  if (tensor.is_vector) {
    source.shape = {view.elements()};
    source.slice_bytes = view.slice_bytes;
    source.produce = [&view](size_t, std::span<std::byte> out) -> Status {
      std::vector<std::byte> room;
      std::memcpy(out.data(), rows_of(view, 0, 0, view.rows(), room), out.size());
      return {};
    };
    return source;
  }
  MatrixJob job{&file, &view, (view.rows() + kStripRows - 1) / kStripRows, packed_strip_bytes(view.type, view.cols()), {}};
  job.runs = cut_rows(job.strips_per_slice * view.slices.size(), job.strip_bytes);
  source.n_slices = job.runs.n_runs;
  source.slice_bytes = job.runs.rows_per_run * job.strip_bytes;
  source.produce = [job, &arena](size_t run, std::span<std::byte> out) { return produce_strips(job, arena, run, out); };
  return source;
}

Result<Metadata> packed_metadata(const ModelFile& file, const ModelSpec& spec) {
  Metadata metadata = file.metadata();
  if (file.is_hugging_face()) SISKIN_TRY_STATUS(add_folder_tokenizer(file.path(), spec.n_vocab, metadata));
  return metadata;
}

}  // namespace

Result<PackReport> pack_model(const fs::path& in, const fs::path& out, const PackOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  SISKIN_TRY(const ModelFile file, ModelFile::open(in));
  if (file.is_packed()) return Error{ErrorCode::unsupported, in.string() + ": is packed already"};
  SISKIN_TRY_STATUS(check_output_path(in, out));
  // A packed file is for this engine: what it could not run is refused now, not at every start.
  SISKIN_TRY(const Family* family, find_family(file));
  SISKIN_TRY(const ModelSpec spec, family->parse(file));
  SISKIN_TRY(const Weights weights, Weights::bind(file, spec, family->bindings.data(), family->bindings.size()));

  PackReport report;
  tbb::task_arena arena(tool_threads(options.threads));
  std::vector<GgufTensorSource> sources;
  for (const Tensor& tensor : weights.tensors()) {
    sources.push_back(packed_source(file, tensor, arena));
    report.padding_bytes += tensor.slice_padding() * tensor.n_slices;
  }
  SISKIN_TRY(const Metadata metadata, packed_metadata(file, spec));
  SISKIN_TRY_STATUS(check_free_space(out, sources));
  SISKIN_TRY_STATUS(write_packed(out, metadata, sources, rope_pairing(file), options.on_progress));
  report.tensors = sources.size();
  SISKIN_TRY(report.bytes, written_bytes(out));
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace siskin
