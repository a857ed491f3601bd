// quantize_folder: each linear layer becomes a tensor of codes and one of scales; what else the folder holds is copied.
#include "engine/quantize/hf_output.h"

#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <system_error>

#include "engine/exec/fork_join.h"
#include "engine/quantize/free_space.h"
#include "engine/quantize/output_folder.h"
#include "engine/quantize/tensor_plan.h"
#include "engine/quantize/tool_threads.h"
#include "formats/blocks/codec.h"
#include "formats/blocks/fp8.h"
#include "formats/files/hf_quantization.h"
#include "formats/files/hf_shards.h"
#include "formats/model_file.h"
#include "formats/safetensors.h"
#include "formats/try.h"

namespace siskin {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kShardBytes = size_t{5} << 30;  // as transformers cuts checkpoints

// A matrix on its way. The scales wait for their own tensor, which is written right after the codes.
struct LinearJob {
  DType source_type{};
  const std::byte* source = nullptr;
  DType type{};
  size_t rows = 0, cols = 0;
  RowRuns runs;
  std::shared_ptr<std::vector<float>> scales = std::make_shared<std::vector<float>>();
};

Status produce_codes(const LinearJob& job, tbb::task_arena& arena, size_t run, std::span<std::byte> out) {
  const size_t first = run * job.runs.rows_per_run;
  fork_join(arena, 0, job.runs.rows_per_run, 16, [&](size_t begin, size_t end) {
    std::vector<float> values(job.cols);
    std::vector<std::byte> row(row_bytes(job.type, job.cols));
    for (size_t r = begin; r < end; ++r) {
      decode_row(job.source_type, job.source + (first + r) * row_bytes(job.source_type, job.cols), values.data(), job.cols);
      float& scale = (*job.scales)[first + r];
      if (job.type == DType::FP8) {  // a row of blocks has a scale in each; a folder's row has one
        scale = fp8_scale(values.data(), job.cols);
        encode_fp8(values.data(), job.cols, scale, reinterpret_cast<uint8_t*>(out.data() + r * job.cols));
        continue;
      }
      encode_row(job.type, values.data(), row.data(), job.cols);
      std::memcpy(&scale, row.data(), sizeof(float));
      std::memcpy(out.data() + r * job.cols, row.data() + sizeof(float), job.cols);
    }
  });
  return {};
}

// A linear layer inside a block, by its name in every family's checkpoint; a router only chooses experts and stays as it is.
bool is_linear(const SafetensorsEntry& entry) {
  const std::string_view name = entry.name;
  const bool weights = entry.type == DType::F32 || entry.type == DType::F16 || entry.type == DType::BF16;
  return weights && entry.shape.size() == 2 && name.ends_with(".weight") && name.find("layers.") != name.npos &&
         entry.shape[0] > 1 && entry.shape[1] > 0 && !name.ends_with(".gate.weight") && !name.ends_with("norm.weight");
}

struct Plan {
  std::vector<GgufTensorSource> sources;
  std::vector<std::string> left;  // modules that keep their weights
  QuantizeReport report;
  uint64_t params = 0, bytes = 0;

  void add(GgufTensorSource source) {
    bytes += source.n_slices * source.slice_bytes;
    sources.push_back(std::move(source));
  }
};

void add_copy(const HfShard& shard, const SafetensorsEntry& entry, Plan& plan) {
  const std::byte* from = shard.file.bytes().data() + entry.begin;
  GgufTensorSource source{entry.name, *entry.type, entry.shape, 1, entry.end - entry.begin, {}};
  source.produce = [from](size_t, std::span<std::byte> out) -> Status {
    std::memcpy(out.data(), from, out.size());
    return {};
  };
  ++plan.report.types[dtype_name(*entry.type)];
  plan.add(std::move(source));
}

void add_linear(const HfShard& shard, const SafetensorsEntry& entry, DType type, tbb::task_arena& arena, Plan& plan) {
  LinearJob job{*entry.type, shard.file.bytes().data() + entry.begin, type, entry.shape[0], entry.shape[1], {}};
  job.runs = cut_rows(job.rows, job.cols);
  job.scales->resize(job.rows);
  GgufTensorSource codes{entry.name,
                         type == DType::FP8 ? DType::F8_E4M3 : DType::I8,
                         entry.shape,
                         job.runs.n_runs,
                         job.runs.rows_per_run * job.cols,
                         {}};
  codes.produce = [job, &arena](size_t run, std::span<std::byte> out) { return produce_codes(job, arena, run, out); };
  GgufTensorSource scales{entry.name + "_scale", DType::F32, {job.rows, 1}, 1, job.rows * sizeof(float), {}};
  scales.produce = [held = job.scales](size_t, std::span<std::byte> out) -> Status {
    std::memcpy(out.data(), held->data(), out.size());
    return {};
  };
  ++plan.report.types[dtype_name(type)];
  plan.add(std::move(codes));
  plan.add(std::move(scales));
}

Result<Plan> plan_tensors(const std::vector<HfShard>& shards, DType type, tbb::task_arena& arena) {
  Plan plan;
  const DTypeInfo& info = dtype_info(type);
  for (const HfShard& shard : shards) {
    for (const SafetensorsEntry& entry : shard.contents.tensors) {
      if (!entry.type) {
        return Error{ErrorCode::unsupported,
                     shard.file.name() + ": " + entry.name + ": dtype " + entry.dtype + " is not copied"};
      }
      size_t elements = 1;
      for (const size_t dim : entry.shape) elements *= dim;
      if (elements == 0) continue;
      plan.params += elements;
      const bool whole = entry.shape.empty() || entry.shape.back() % info.block_elems == 0;
      if (is_linear(entry) && whole) {
        add_linear(shard, entry, type, arena, plan);
        continue;
      }
      if (is_linear(entry)) {
        plan.report.fallbacks.push_back(entry.name + ": " + std::to_string(entry.shape[1]) + " columns, " + info.name +
                                        " needs a multiple of " + std::to_string(info.block_elems) + ": " + entry.dtype);
      }
      if (entry.shape.size() == 2 && entry.name.ends_with(".weight")) {
        plan.left.push_back(entry.name.substr(0, entry.name.size() - std::string_view(".weight").size()));
      }
      add_copy(shard, entry, plan);
    }
  }
  if (plan.params == 0) return Error{ErrorCode::corrupt_file, "holds no tensors"};
  return plan;
}

Status write_config(const fs::path& in, const fs::path& out, const json& quantization) {
  std::ifstream file(in / "config.json", std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // In the file's own order: people compare these.
  auto config = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!config.is_object()) return Error{ErrorCode::corrupt_file, (in / "config.json").string() + ": is not a JSON object"};
  config["quantization_config"] = quantization;
  std::ofstream written(out / "config.json", std::ios::binary);
  written << config.dump(2) << "\n";
  written.close();
  if (!written) return Error{ErrorCode::io, (out / "config.json").string() + ": cannot be written"};
  return {};
}

}  // namespace

const DTypeInfo* folder_type(const std::string& name) {
  const DTypeInfo* info = find_dtype(name.c_str());
  return info != nullptr && info->built && !in_gguf(info->type) ? info : nullptr;
}

Result<QuantizeReport> quantize_folder(const fs::path& in, const fs::path& out, DType type, const QuantizeOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  SISKIN_TRY(const ModelFile file, ModelFile::open(in));
  if (!file.is_hugging_face()) {
    return Error{ErrorCode::invalid_argument, in.string() + ": " + dtype_name(type) +
                                                  " is a type of Hugging Face folders; name one to read and one to write"};
  }
  for (const TensorView& tensor : file.tensors()) {
    if (!tensor.scales.slices.empty()) return Error{ErrorCode::unsupported, in.string() + ": is quantized already"};
  }
  SISKIN_TRY(const std::vector<HfShard> shards, open_hf_shards(in));
  tbb::task_arena arena(tool_threads(options.threads));
  SISKIN_TRY(Plan plan, plan_tensors(shards, type, arena));
  const HfQuantization quantization = type == DType::FP8 ? HfQuantization::fp8_rows : HfQuantization::int8_rows;
  SISKIN_TRY(OutputFolder folder, OutputFolder::create(out));
  SISKIN_TRY_STATUS(check_free_space(folder.path() / "model.safetensors", plan.sources));
  SISKIN_TRY_STATUS(folder.copy_small_files(in));
  SISKIN_TRY_STATUS(write_config(in, folder.path(), hf_quantization_json(quantization, plan.left)));
  SISKIN_TRY_STATUS(
      write_safetensors_shards(folder.path(), {{"format", "pt"}}, plan.sources, kShardBytes, options.on_progress));
  SISKIN_TRY(plan.report.bytes, folder.commit());
  plan.report.bits_per_weight = 8.0 * static_cast<double>(plan.bytes) / static_cast<double>(plan.params);
  plan.report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return std::move(plan.report);
}

}  // namespace siskin
