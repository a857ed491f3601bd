// Writes machine profiles as JSON and reads them back, checking every value.
#include "engine/machine/profile_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace siskin {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kSchema = 1;

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

// Thrown within this file only: the JSON library reports by exceptions, so a wrong value does the same.
struct NotMeasured {};

double positive(const Json& value) {
  const double number = value.get<double>();
  if (!std::isfinite(number) || number <= 0) throw NotMeasured{};
  return number;
}

std::optional<double> positive_or_null(const Json& value) {
  if (value.is_null()) return std::nullopt;
  return positive(value);
}

std::vector<double> positives(const Json& values) {
  std::vector<double> numbers;
  for (const Json& value : values) numbers.push_back(positive(value));
  return numbers;
}

// Runs `read` on the parsed text; nothing when it throws.
template <class T, class Read>
std::optional<T> parsed(std::string_view text, Read read) {
  try {
    const Json json = Json::parse(text);
    if (json.at("schema").get<int>() != kSchema) return std::nullopt;
    return read(json);
  } catch (const Json::exception&) {
    return std::nullopt;
  } catch (const NotMeasured&) {
    return std::nullopt;
  }
}

MachineProfile read_profile(const Json& json) {
  MachineProfile profile;
  profile.cpu = json.at("cpu").get<std::string>();
  profile.isa = json.at("isa").get<std::string>();
  profile.isas = json.at("isas").get<std::vector<std::string>>();
  profile.cores = json.at("cores").get<unsigned>();
  profile.threads = json.at("threads").get<unsigned>();
  profile.memory_bytes = json.at("memory_bytes").get<uint64_t>();
  for (const Json& cache : json.at("caches")) {
    profile.caches.push_back(
        {cache.at("level").get<unsigned>(), cache.at("bytes").get<size_t>(), cache.at("shared_by").get<unsigned>()});
  }
  for (const Json& point : json.at("read_gb_s")) {
    profile.read_gb_s.push_back({point.at("threads").get<unsigned>(), positive(point.at("mb")), positive(point.at("gb_s"))});
  }
  if (profile.read_gb_s.empty()) throw NotMeasured{};
  profile.read_gb_s_max = positive(json.at("read_gb_s_max"));
  const Json& peaks = json.at("peak_gflops");
  profile.peak_f32 = positive_or_null(peaks.at("f32"));
  profile.peak_bf16 = positive_or_null(peaks.at("bf16"));
  profile.peak_int8_vector = positive_or_null(peaks.at("int8_vector"));
  profile.peak_int8_matrix = positive_or_null(peaks.at("int8_matrix"));
  profile.peak_bf16_matrix = positive_or_null(peaks.at("bf16_matrix"));
  profile.peak_f32_by_threads = positives(json.at("peak_gflops_by_threads").at("f32"));
  profile.peak_int8_by_threads = positives(json.at("peak_gflops_by_threads").at("int8_vector"));
  profile.peak_bf16_by_threads = positives(json.at("peak_gflops_by_threads").at("bf16"));
  profile.fingerprint = json.at("fingerprint").get<std::string>();
  profile.measured_at = json.at("measured_at").get<std::string>();
  return profile;
}

std::vector<KernelChoice> read_choices(const Json& json) {
  std::vector<KernelChoice> choices;
  for (const Json& row : json.at("kernels")) {
    KernelChoice choice;
    choice.op = row.at("op").get<std::string>();
    choice.type = row.at("type").get<std::string>();
    choice.m = row.at("m").get<size_t>();
    choice.n = row.at("n").get<size_t>();
    choice.k = row.at("k").get<size_t>();
    choice.chosen = row.at("chosen").get<std::string>();
    for (const auto& [name, gflops] : row.at("gflops").items()) choice.gflops.emplace_back(name, positive(gflops));
    choices.push_back(std::move(choice));
  }
  return choices;
}

}  // namespace

std::string to_json(const MachineProfile& profile) {
  Json json;
  json["schema"] = kSchema;
  json["cpu"] = profile.cpu;
  json["isa"] = profile.isa;
  json["isas"] = profile.isas;
  json["cores"] = profile.cores;
  json["threads"] = profile.threads;
  json["memory_bytes"] = profile.memory_bytes;
  json["caches"] = Json::array();
  for (const CacheLevel& cache : profile.caches) {
    json["caches"].push_back({{"level", cache.level}, {"bytes", cache.bytes}, {"shared_by", cache.shared_by}});
  }
  json["read_gb_s"] = Json::array();
  for (const ReadBandwidth& point : profile.read_gb_s) {
    json["read_gb_s"].push_back({{"threads", point.threads}, {"mb", point.mb}, {"gb_s", point.gb_s}});
  }
  json["read_gb_s_max"] = profile.read_gb_s.empty() ? Json(nullptr) : Json(profile.read_gb_s_max);
  json["peak_gflops"] = {{"f32", or_null(profile.peak_f32)},
                         {"bf16", or_null(profile.peak_bf16)},
                         {"int8_vector", or_null(profile.peak_int8_vector)},
                         {"int8_matrix", or_null(profile.peak_int8_matrix)},
                         {"bf16_matrix", or_null(profile.peak_bf16_matrix)}};
  json["peak_gflops_by_threads"] = {{"f32", profile.peak_f32_by_threads}, {"int8_vector", profile.peak_int8_by_threads}, {"bf16", profile.peak_bf16_by_threads}};
  json["fingerprint"] = profile.fingerprint;
  json["measured_at"] = profile.measured_at;
  json["from_cache"] = profile.from_cache;
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::optional<MachineProfile> profile_from_json(std::string_view text) { return parsed<MachineProfile>(text, read_profile); }

std::string choices_to_json(const std::vector<KernelChoice>& choices) {
  Json json;
  json["schema"] = kSchema;
  json["kernels"] = Json::array();
  for (const KernelChoice& choice : choices) {
    Json gflops = Json::object();
    for (const auto& [name, value] : choice.gflops) gflops[name] = value;
    json["kernels"].push_back({{"op", choice.op},
                               {"type", choice.type},
                               {"m", choice.m},
                               {"n", choice.n},
                               {"k", choice.k},
                               {"chosen", choice.chosen},
                               {"gflops", gflops}});
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::optional<std::vector<KernelChoice>> choices_from_json(std::string_view text) {
  return parsed<std::vector<KernelChoice>>(text, read_choices);
}

}  // namespace siskin
