// Expands the configuration's candidates into variants and makes those that no file holds yet.
#include "selector/candidate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "selector/config_keys.h"
#include "selector/hash.h"
#include "selector/try.h"

namespace siskin::selector {
namespace {

struct TypeBits {
  std::string_view name;
  double bits;  // per weight, scales included
};
constexpr std::array<TypeBits, 5> kMadeTypes = {{{"f32", 32}, {"f16", 16}, {"bf16", 16}, {"q8_0", 8.5}, {"q4_0", 4.5}}};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

uint64_t scaled(uint64_t bytes, double factor) { return static_cast<uint64_t>(static_cast<double>(bytes) * factor); }

// A lower bound of what the variant will need; see Candidate::info.
ModelInfo scaled_info(const ModelInfo& source, double bits) {
  ModelInfo info = source;
  const double factor = source.bits_per_weight > 0 ? std::min(1.0, bits / source.bits_per_weight) : 1.0;
  const uint64_t beside_weights = source.memory_needed_bytes - std::min(source.memory_needed_bytes, source.weight_bytes);
  info.weight_bytes = scaled(source.weight_bytes, factor);
  info.active_weight_bytes = scaled(source.active_weight_bytes, factor);
  info.file_bytes = scaled(source.file_bytes, factor);
  info.memory_needed_bytes = info.weight_bytes + beside_weights;
  info.bits_per_weight = source.bits_per_weight * factor;
  info.padding_bytes = 0;
  return info;
}

Result<double> bits_of(const std::string& type, const Config& config, const CandidateSpec& spec, const std::string& own_type) {
  std::vector<std::string_view> names;
  for (const TypeBits& made : kMadeTypes) {
    if (made.name == type) return made.bits;
    names.push_back(made.name);
  }
  return Error{
      ErrorCode::invalid_argument,
      fmt::format("{}:{}: candidate \"{}\": variant \"{}\" is neither the file's own type ({}) nor one that can be made ({}); "
                  "the nearest is \"{}\"",
                  config.file.filename().string(), spec.line, spec.name, type, own_type, fmt::join(names, ", "),
                  nearest_of(type, names))};
}

}  // namespace

Result<std::vector<Candidate>> expand_candidates(const Config& config, Backend& backend,
                                                 const std::filesystem::path& variants_dir) {
  std::vector<Candidate> out;
  for (const CandidateSpec& spec : config.candidates) {
    SISKIN_TRY(const ModelInfo source, backend.inspect(spec.model, request_ctx(config.workload)));
    SISKIN_TRY(const std::string hash, sha256_of_path(spec.model));
    const std::string own_type = lower(source.type);
    const auto types = spec.variants.empty() ? std::vector<std::string>{own_type} : spec.variants;
    for (const std::string& type : types) {
      Candidate candidate;
      candidate.name = spec.name + ":" + type;
      candidate.family = spec.name;
      candidate.type = type;
      candidate.is_reference = spec.name == config.quality.reference && type == types.front();
      candidate.source = candidate.file = spec.model;
      candidate.content_hash = hash;
      candidate.info = source;
      candidate.own_type = candidate.info_exact = type == own_type;
      if (!candidate.own_type) {
        SISKIN_TRY(const double bits, bits_of(type, config, spec, own_type));
        candidate.content_hash = sha256(fmt::format("{} quantised to {} by siskin {}", hash, type, backend.engine_version()));
        candidate.file = variants_dir / fmt::format("{}-{}.gguf", candidate.content_hash.substr(0, 16), type);
        candidate.info = scaled_info(source, bits);
        std::error_code error;
        if (std::filesystem::exists(candidate.file, error))
          SISKIN_TRY_STATUS(make_variant(candidate, config.workload, backend));
      }
      out.push_back(std::move(candidate));
    }
  }
  return out;
}

Status make_variant(Candidate& candidate, const Workload& workload, Backend& backend) {
  if (candidate.info_exact) return {};
  std::error_code error;
  if (!std::filesystem::exists(candidate.file, error)) {
    std::filesystem::create_directories(candidate.file.parent_path(), error);
    if (error) return Error{ErrorCode::io, fmt::format("{}: {}", candidate.file.parent_path().string(), error.message())};
    SISKIN_TRY_STATUS(backend.quantize(candidate.source, candidate.file, candidate.type));
  }
  SISKIN_TRY(candidate.info, backend.inspect(candidate.file, request_ctx(workload)));
  candidate.info_exact = true;
  return {};
}

}  // namespace siskin::selector
