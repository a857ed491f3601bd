// Opens a Hugging Face folder: config.json, then model.safetensors or the shards of its index.
#include <algorithm>
#include <map>
#include <string_view>
#include <system_error>

#include "formats/files/error_text.h"
#include "formats/files/hf_config.h"
#include "formats/files/hf_shards.h"
#include "formats/files/hf_tensors.h"
#include "formats/files/model_parts.h"
#include "formats/try.h"

namespace siskin {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string folder_name(const fs::path& folder) {
  std::error_code failed;
  const fs::path absolute = fs::weakly_canonical(folder, failed);
  const std::string name = (failed ? folder : absolute).filename().string();
  return name.empty() ? "model" : name;
}

Result<HfConfig> open_config(const fs::path& folder) {
  auto file = MappedFile::open(folder / "config.json");
  if (!file && file.error().code == ErrorCode::not_found) {
    return Error{ErrorCode::not_found, folder.string() + ": no config.json; expected a GGUF file or a Hugging Face folder"};
  }
  if (!file) return std::move(file).error();
  return parse_hf_config(file->bytes(), file->name(), folder_name(folder));
}

Result<HfShard> open_shard(const fs::path& path) {
  SISKIN_TRY(MappedFile file, MappedFile::open(path));
  SISKIN_TRY(SafetensorsContents contents, parse_safetensors(file.bytes(), file.name()));
  return HfShard{std::move(file), std::move(contents)};
}

void add_vector(const HfVector& vector, ModelParts& parts) {
  const auto bytes = std::as_bytes(std::span(vector.values));
  TensorView view;
  view.name = vector.name;
  view.type = DType::F32;
  view.shape = {vector.values.size()};
  view.slice_bytes = bytes.size();
  view.slices.push_back(parts.made.emplace_back(bytes.begin(), bytes.end()).data());
  parts.tensors.push_back(std::move(view));
}

// Those of the text model; the others are counted by what their names begin with.
void collect(const HfShard& shard, std::span<const std::string_view> others, std::vector<HfTensor>& tensors,
             std::map<std::string_view, size_t>& left_out) {
  for (const SafetensorsEntry& entry : shard.contents.tensors) {
    const auto other =
        std::find_if(others.begin(), others.end(), [&](std::string_view prefix) { return entry.name.starts_with(prefix); });
    if (other != others.end()) {
      ++left_out[*other];
      continue;
    }
    tensors.push_back({&entry, shard.file.bytes().data() + entry.begin, &shard.file.name()});
  }
}

Result<std::vector<HfShard>> open_shards(const fs::path& folder, const fs::path& index_path) {
  SISKIN_TRY(const MappedFile index, MappedFile::open(index_path));
  SISKIN_TRY(const auto shard_of, parse_safetensors_index(index.bytes(), index.name()));
  std::map<std::string, size_t> expected;  // tensors by shard
  for (const auto& [tensor, shard] : shard_of) ++expected[shard];
  std::vector<HfShard> shards;
  for (const auto& [name, count] : expected) {
    if (!is_there(folder / name)) {
      return Error{ErrorCode::not_found,
                   (folder / name).string() + ": the shard is missing, but " + index.name() + " names it"};
    }
    SISKIN_TRY(HfShard shard, open_shard(folder / name));
    size_t listed = 0;
    for (const SafetensorsEntry& entry : shard.contents.tensors) {
      const auto found = shard_of.find(entry.name);
      if (found == shard_of.end() || found->second != name) {
        return corrupt_file(shard.file.name(), in_quotes(entry.name) + ": the index does not list it in this shard");
      }
      ++listed;
    }
    if (listed != count) {
      return corrupt_file(shard.file.name(), std::to_string(listed) + " tensors, but " + index.name() + " lists " +
                                                 std::to_string(count) + " in it");
    }
    shards.push_back(std::move(shard));
  }
  return shards;
}

}  // namespace

Result<std::vector<HfShard>> open_hf_shards(const fs::path& folder) {
  const fs::path whole = folder / "model.safetensors";
  const fs::path index = folder / "model.safetensors.index.json";
  if (!is_there(whole) && is_there(index)) return open_shards(folder, index);
  auto shard = open_shard(whole);
  if (!shard && shard.error().code == ErrorCode::not_found) {
    const bool has_pickle = is_there(folder / "pytorch_model.bin") || is_there(folder / "pytorch_model.bin.index.json");
    return Error{ErrorCode::not_found, folder.string() + ": no model.safetensors and no model.safetensors.index.json" +
                                           (has_pickle ? "; pytorch_model.bin is not read, save it as safetensors" : "")};
  }
  if (!shard) return std::move(shard).error();
  std::vector<HfShard> shards;
  shards.push_back(*std::move(shard));
  return shards;
}

Result<ModelParts> open_hf_folder(const fs::path& folder) {
  SISKIN_TRY(const HfConfig config, open_config(folder));
  SISKIN_TRY(std::vector<HfShard> shards, open_hf_shards(folder));
  std::vector<HfTensor> tensors;
  std::map<std::string_view, size_t> left_out;
  for (const HfShard& shard : shards) collect(shard, config.family->names.others, tensors, left_out);
  ModelParts parts;
  for (const auto& [prefix, n] : left_out) {
    parts.notes.push_back(std::string(prefix) + "* left out (tensors: " + std::to_string(n) + "): only the text model is read");
  }
  SISKIN_TRY(HfContents contents, gguf_tensors_from_hf(tensors, config, folder.string()));
  parts.tensors = std::move(contents.tensors);
  parts.left_out = contents.left_out;
  for (const HfVector& vector : config.vectors) add_vector(vector, parts);
  parts.metadata = config.metadata;
  for (HfShard& shard : shards) parts.files.push_back(std::move(shard.file));
  return parts;
}

}  // namespace siskin
