#include "formats/model_file.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <system_error>

#include "formats/check.h"
#include "formats/files/error_text.h"
#include "formats/files/latent_tensors.h"
#include "formats/files/model_parts.h"
#include "formats/packed_file.h"
#include "formats/try.h"

namespace siskin {

struct ModelFile::State {
  std::filesystem::path path;
  bool is_hugging_face = false;
  ModelParts parts;
  std::map<std::string_view, size_t> index;  // views of the names in parts.tensors
};

namespace {

// What a file that is not GGUF probably is, for the one line that its owner reads.
std::string guess(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const char* old : {"lmgg", "fmgg", "tjgg", "algg"}) {
    if (text.starts_with(old)) return "; it is a GGML file from before GGUF: convert it with llama.cpp";
  }
  if (text.starts_with("PK\x03\x04")) return "; it is a zip archive, perhaps a PyTorch checkpoint: save it as safetensors";
  if (text.size() > 8 && text[8] == '{') return "; it looks like safetensors: name its folder, with config.json beside it";
  if (text.starts_with("{")) return "; it looks like JSON: name the folder that it lies in";
  return "";
}

Result<ModelParts> open_packed(MappedFile file) {
  SISKIN_TRY(PackedContents contents, parse_packed(file.bytes(), file.name()));
  ModelParts parts;
  parts.files.push_back(std::move(file));
  parts.metadata = std::move(contents.metadata);
  parts.tensors = std::move(contents.tensors);
  parts.packed = contents.pairing;
  return parts;
}

Result<ModelParts> open_file(const std::filesystem::path& path) {
  {
    SISKIN_TRY(MappedFile file, MappedFile::open(path));
    if (is_packed_file(file.bytes())) return open_packed(std::move(file));
    const std::string_view magic(reinterpret_cast<const char*>(file.bytes().data()), std::min<size_t>(4, file.bytes().size()));
    if (magic != "GGUF" && magic != "FUGG") {
      return corrupt_file(file.name(),
                          "not a model file: it begins with " + in_quotes(magic) + ", expected 'GGUF'" + guess(file.bytes()));
    }
  }
  return open_gguf(path);
}

}  // namespace

Result<ModelFile> ModelFile::open(const std::filesystem::path& path) {
  std::error_code failed;
  const auto status = std::filesystem::status(path, failed);
  if (!std::filesystem::exists(status)) return system_error(path.string(), "cannot open", failed ? failed.value() : ENOENT);
  auto state = std::make_unique<State>();
  state->path = path;
  state->is_hugging_face = std::filesystem::is_directory(status);
  SISKIN_TRY(state->parts, state->is_hugging_face ? open_hf_folder(path) : open_file(path));
  if (!state->parts.packed) SISKIN_TRY_STATUS(split_latents(state->parts, path.filename().string()));
  for (size_t i = 0; i < state->parts.tensors.size(); ++i) state->index.emplace(state->parts.tensors[i].name, i);
  return ModelFile(std::move(state));
}

ModelFile::ModelFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
ModelFile::ModelFile(ModelFile&&) noexcept = default;
ModelFile& ModelFile::operator=(ModelFile&&) noexcept = default;
ModelFile::~ModelFile() = default;

const std::filesystem::path& ModelFile::path() const { return state_->path; }
bool ModelFile::is_hugging_face() const { return state_->is_hugging_face; }
bool ModelFile::is_packed() const { return state_->parts.packed.has_value(); }
const Metadata& ModelFile::metadata() const { return state_->parts.metadata; }
std::span<const TensorView> ModelFile::tensors() const { return state_->parts.tensors; }

const TensorView* ModelFile::find(std::string_view name) const {
  const auto found = state_->index.find(name);
  return found == state_->index.end() ? nullptr : &state_->parts.tensors[found->second];
}

std::span<const std::string> ModelFile::notes() const { return state_->parts.notes; }

size_t ModelFile::file_bytes() const {
  size_t total = 0;
  for (const MappedFile& file : state_->parts.files) total += file.bytes().size();
  return total;
}

LeftOut ModelFile::left_out() const { return state_->parts.left_out; }

void ModelFile::release(const TensorView& tensor) const {
  if (tensor.is_scattered()) return;  // others may lie in the same pages
  // Slices that lie end to end are released as one range: page by page each would keep the pages that it shares with the next.
  for (size_t i = 0; i < tensor.slices.size();) {
    const std::byte* begin = tensor.slices[i];
    const std::byte* end = begin + tensor.slice_bytes;
    while (++i < tensor.slices.size() && tensor.slices[i] == end) end += tensor.slice_bytes;
    release(begin, static_cast<size_t>(end - begin));
  }
}

void ModelFile::release(const std::byte* begin, size_t n) const {
  for (const MappedFile& file : state_->parts.files) {
    if (file.contains(begin)) file.release(begin, n);
  }
}

size_t ModelFile::offset_of(const std::byte* address) const {
  const MappedFile& file = state_->parts.files.front();
  SISKIN_CHECK(is_packed() && file.contains(address));
  return static_cast<size_t>(address - file.bytes().data());
}

Result<DirectFile> ModelFile::reopen() const {
  SISKIN_CHECK(is_packed());
  return state_->parts.files.front().reopen();
}

void ModelFile::keep_mapped() const {
  for (const MappedFile& file : state_->parts.files) file.keep();
}

namespace {

struct PairingRow {
  std::string_view architecture;
  RopePairing gguf, hugging_face;
};

// Those that are not half_split in both: neither kind of file says how its rows pair. llama.cpp's converter permutes the rows
// of some architectures (its table is llama_model_rope_type), others were trained interleaved.
constexpr PairingRow kPairings[] = {
    {"llama", RopePairing::interleaved, RopePairing::half_split},
    {"llama4", RopePairing::interleaved, RopePairing::interleaved},
    {"granitemoe", RopePairing::interleaved, RopePairing::half_split},
    {"deepseek", RopePairing::interleaved, RopePairing::half_split},
    {"deepseek2", RopePairing::interleaved, RopePairing::interleaved},
    {"ernie4_5-moe", RopePairing::interleaved, RopePairing::interleaved},
};

PairingRow pairing_row(std::string_view architecture) {
  for (const PairingRow& row : kPairings) {
    if (row.architecture == architecture) return row;
  }
  return {architecture, RopePairing::half_split, RopePairing::half_split};
}

}  // namespace

RopePairing gguf_rope_pairing(std::string_view architecture) { return pairing_row(architecture).gguf; }

RopePairing rope_pairing(const ModelFile& file) {
  if (file.is_packed()) return *file.state_->parts.packed;
  const auto architecture = file.metadata().string_or("general.architecture", "");
  const PairingRow row = pairing_row(architecture ? *architecture : "");
  return file.is_hugging_face() ? row.hugging_face : row.gguf;
}

}  // namespace siskin
