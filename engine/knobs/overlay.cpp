// Overlays and masks: JSON files of a few lines.
#include <siskin/expert_knobs.h>

#include <algorithm>
#include <charconv>
#include <numeric>

#include <nlohmann/json.hpp>

#include "formats/files/atomic_file.h"
#include "formats/files/checked_json.h"
#include "formats/files/error_text.h"
#include "formats/files/mapped_file.h"
#include "formats/try.h"

namespace siskin {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;

Result<json> read_json(const std::filesystem::path& path) {
  SISKIN_TRY(const MappedFile file, MappedFile::open(path));
  return parse_json_object(file.bytes(), file.name());
}

Result<std::vector<uint32_t>> read_numbers(const json& value, const std::string& where) {
  if (!value.is_array()) return Error{ErrorCode::corrupt_file, where + ": expected a list of whole numbers"};
  std::vector<uint32_t> numbers;
  for (const json& number : value) {
    if (!number.is_number_unsigned() || number.get<uint64_t>() > 0xffffffffu) {
      return Error{ErrorCode::corrupt_file, where + ": expected whole numbers"};
    }
    numbers.push_back(number.get<uint32_t>());
  }
  return numbers;
}

Status read_drop(const json& value, const std::string& name, ExpertKnobs& knobs) {
  if (!value.is_array()) return corrupt_file(name, "'drop': expected a list per layer");
  for (const json& layer : value) {
    SISKIN_TRY(knobs.drop.emplace_back(), read_numbers(layer, name + ": 'drop'"));
  }
  return {};
}

Result<uint64_t> read_identity(const json& value, const std::string& name) {
  uint64_t identity = 0;
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), identity, 16);
    if (error == std::errc() && end == text.data() + text.size()) return identity;
  }
  return corrupt_file(name, "'identity': expected 16 hexadecimal digits");
}

std::string hex(uint64_t value) {
  std::string text(16, '0');
  for (size_t i = 16; i-- > 0; value >>= 4) text[i] = "0123456789abcdef"[value & 15];
  return text;
}

Status read_setting(const std::string& key, const json& value, const std::string& name, Overlay& overlay) {
  if (key == "model") {
    if (!value.is_string()) return corrupt_file(name, "'model': expected a text");
    overlay.model = value.get<std::string>();
  } else if (key == "identity") {
    SISKIN_TRY(overlay.identity, read_identity(value, name));
  } else if (key == "expert_top_k") {
    SISKIN_TRY(overlay.experts.top_k, read_numbers(value, name + ": 'expert_top_k'"));
  } else if (key == "expert_min_p") {
    if (!value.is_number()) return corrupt_file(name, "'expert_min_p': expected a number");
    overlay.experts.min_probability = value.get<float>();
  } else if (key == "drop") {
    return read_drop(value, name, overlay.experts);
  } else if (key != "siskin_overlay") {
    return unsupported_file(name, "the overlay sets " + in_quotes(key) + ", which this version does not know");
  }
  return {};
}

}  // namespace

Result<Overlay> load_overlay(const std::filesystem::path& path) {
  const std::string name = path.string();
  SISKIN_TRY(const json document, read_json(path));
  const auto version = document.find("siskin_overlay");
  if (version == document.end()) return corrupt_file(name, "not an overlay: 'siskin_overlay' is missing");
  if (*version != kVersion) return unsupported_file(name, "overlay version " + version->dump() + ", expected 1");
  if (!document.contains("identity")) return corrupt_file(name, "'identity' is missing: the overlay is bound to no model");
  Overlay overlay;
  for (const auto& [key, value] : document.items()) SISKIN_TRY_STATUS(read_setting(key, value, name, overlay));
  return overlay;
}

Result<ExpertKnobs> load_expert_mask(const std::filesystem::path& path) {
  SISKIN_TRY(const json document, read_json(path));
  const auto drop = document.find("drop");
  if (drop == document.end()) return corrupt_file(path.string(), "'drop' is missing: expected {\"drop\": [[0, 3], [], ...]}, a list per layer");
  ExpertKnobs knobs;
  SISKIN_TRY_STATUS(read_drop(*drop, path.string(), knobs));
  return knobs;
}

Status save_overlay(const std::filesystem::path& path, const Overlay& overlay) {
  nlohmann::ordered_json document = {{"siskin_overlay", kVersion}, {"model", overlay.model}, {"identity", hex(overlay.identity)}};
  const ExpertKnobs& knobs = overlay.experts;
  if (!knobs.top_k.empty()) document["expert_top_k"] = knobs.top_k;
  if (knobs.min_probability) document["expert_min_p"] = *knobs.min_probability;
  if (!knobs.drop.empty()) document["drop"] = knobs.drop;
  const std::string text = document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  SISKIN_TRY(AtomicFile file, AtomicFile::create(path, text.size()));
  SISKIN_TRY_STATUS(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

Status drop_least_used(const RoutingTrace& trace, size_t n, ExpertKnobs& knobs) {
  if (n >= trace.n_experts) {
    return Error{ErrorCode::invalid_argument, "dropping " + std::to_string(n) + " of " + std::to_string(trace.n_experts) +
                                                  " experts: at least one must be left"};
  }
  knobs.drop.assign(trace.n_layers, {});
  for (size_t layer = 0; layer < trace.n_layers; ++layer) {
    if (trace.expert_bytes[layer] == 0) continue;  // dense
    std::vector<uint64_t> uses(trace.n_experts);
    for (size_t token = 0; token < trace.n_tokens(); ++token) {
      for (const uint16_t expert : trace.experts_of(token, layer)) ++uses[expert];
    }
    std::vector<uint32_t> order(trace.n_experts);
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return uses[a] != uses[b] ? uses[a] < uses[b] : a > b; });
    knobs.drop[layer].assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n));
    std::sort(knobs.drop[layer].begin(), knobs.drop[layer].end());
  }
  return {};
}

}  // namespace siskin
