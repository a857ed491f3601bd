// The cache of profiles: a round trip, damaged files, what a fingerprint depends on.
#include <siskin/machine.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/machine/cache.h"
#include "engine/machine/fingerprint.h"
#include "engine/machine/profile_json.h"

using namespace siskin;

namespace {

// $XDG_CACHE_HOME is a fresh folder while one of these lives.
class TemporaryCache {
 public:
  TemporaryCache() {
    if (const char* before = std::getenv("XDG_CACHE_HOME")) before_ = before;
    std::string name = (std::filesystem::temp_directory_path() / "siskin-cache-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
    setenv("XDG_CACHE_HOME", path_.c_str(), 1);
  }
  ~TemporaryCache() {
    if (before_) {
      setenv("XDG_CACHE_HOME", before_->c_str(), 1);
    } else {
      unsetenv("XDG_CACHE_HOME");
    }
    std::filesystem::remove_all(path_);
  }
  std::filesystem::path folder() const { return path_ / "siskin"; }

 private:
  std::filesystem::path path_;
  std::optional<std::string> before_;
};

MachineProfile sample_profile() {
  MachineProfile profile;
  profile.cpu = "A CPU with \"quotes\"";
  profile.isa = "avx2";
  profile.isas = {"ref", "avx2"};
  profile.cores = 4;
  profile.threads = 3;
  profile.memory_bytes = uint64_t{24} << 30;
  profile.caches = {{1, 32768, 1}, {3, 33554432, 4}};
  profile.read_gb_s = {{1, 1.048576, 80}, {1, 67.1, 20}, {3, 1.048576, 200}, {3, 67.1, 50}};
  profile.read_gb_s_max = 200;
  profile.peak_f32 = 123.5;
  profile.peak_int8_vector = 900;
  profile.peak_f32_by_threads = {50, 90, 123.5};
  profile.peak_int8_by_threads = {300, 600, 900};
  profile.fingerprint = "abc";
  profile.measured_at = "2026-01-02T03:04:05Z";
  return profile;
}

MachineOptions known_only() {
  MachineOptions options;
  options.measure = false;
  return options;
}

}  // namespace

TEST_CASE("a profile survives its JSON", "[machine]") {
  const MachineProfile before = sample_profile();
  const std::string text = to_json(before);
  const auto after = profile_from_json(text);
  REQUIRE(after);
  CHECK(to_json(*after) == text);
  CHECK(after->peak_f32 == before.peak_f32);
  CHECK_FALSE(after->peak_bf16);
  CHECK(after->read_gb_s.size() == 4);

  const auto json = nlohmann::json::parse(text);
  for (const char* key : {"cpu", "isa", "threads", "caches", "read_gb_s", "read_gb_s_max", "peak_gflops", "fingerprint"}) {
    CHECK(json.contains(key));
  }
  CHECK(json["peak_gflops"]["int8_matrix"].is_null());
  CHECK(json["peak_gflops"]["f32"] == 123.5);
  CHECK(json["read_gb_s"][1]["gb_s"] == 20);
}

TEST_CASE("texts that are no profile give nothing", "[machine]") {
  const auto without = [](const char* key) {
    auto json = nlohmann::json::parse(to_json(sample_profile()));
    json.erase(key);
    return json.dump();
  };
  CHECK_FALSE(profile_from_json(""));
  CHECK_FALSE(profile_from_json("{"));
  CHECK_FALSE(profile_from_json("[]"));
  CHECK_FALSE(profile_from_json("{\"schema\": 99}"));
  CHECK_FALSE(profile_from_json(without("caches")));
  CHECK_FALSE(profile_from_json(without("schema")));
  auto negative = nlohmann::json::parse(to_json(sample_profile()));
  negative["read_gb_s"][0]["gb_s"] = -1;
  CHECK_FALSE(profile_from_json(negative.dump()));
  auto text = nlohmann::json::parse(to_json(sample_profile()));
  text["peak_gflops"]["f32"] = "fast";
  CHECK_FALSE(profile_from_json(text.dump()));
  CHECK_FALSE(profile_from_json(to_json(MachineProfile{})));  // described, not measured
}

TEST_CASE("kernel choices survive their JSON", "[machine]") {
  const std::vector<KernelChoice> before = {{"matmul", "f16", 32, 256, 1024, "onednn", {{"siskin", 40.5}, {"onednn", 80}}}};
  const auto after = choices_from_json(choices_to_json(before));
  REQUIRE(after);
  REQUIRE(after->size() == 1);
  CHECK(after->front().chosen == "onednn");
  CHECK(after->front().gflops == before.front().gflops);
  CHECK_FALSE(choices_from_json("{\"schema\": 1}"));
}

TEST_CASE("cache files are replaced whole and forgotten", "[machine]") {
  const TemporaryCache cache;
  CHECK(read_cache("machine-x.json").empty());
  REQUIRE(write_cache("machine-x.json", "one"));
  REQUIRE(write_cache("machine-x.json", "two"));
  REQUIRE(write_cache("kernels-x.json", "three"));
  REQUIRE(write_cache("other.json", "stays"));
  CHECK(read_cache("machine-x.json") == "two");
  CHECK(std::distance(std::filesystem::directory_iterator(cache.folder()), {}) == 3);  // no temporary is left
  REQUIRE(forget_machine_profiles());
  CHECK(read_cache("machine-x.json").empty());
  CHECK(read_cache("kernels-x.json").empty());
  CHECK(read_cache("other.json") == "stays");
}

TEST_CASE("a cached profile is used, a damaged one is not", "[machine]") {
  const TemporaryCache cache;
  const auto known = machine_profile(known_only());
  REQUIRE(known);
  CHECK_FALSE((*known)->from_cache);
  CHECK((*known)->read_gb_s.empty());
  CHECK_FALSE((*known)->isas.empty());

  MachineProfile measured = sample_profile();
  measured.fingerprint = (*known)->fingerprint;
  const std::string file = "machine-" + measured.fingerprint + ".json";
  REQUIRE(write_cache(file, to_json(measured)));
  const auto cached = machine_profile(known_only());
  REQUIRE(cached);
  CHECK((*cached)->from_cache);
  CHECK((*cached)->read_gb_s_max == 200);

  for (const std::string& damage : {std::string("{\"schema\": 1"), std::string(1000, '\0'), to_json(sample_profile())}) {
    REQUIRE(write_cache(file, damage));
    const auto again = machine_profile(known_only());
    REQUIRE(again);
    CHECK_FALSE((*again)->from_cache);
  }
}

TEST_CASE("a fingerprint changes with whatever changes speed", "[machine]") {
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const MachineProfile profile = sample_profile();
  const std::string first = fingerprint_of(profile, "0x1", std::nullopt);
  CHECK(first == fingerprint_of(profile, "0x1", std::nullopt));
  CHECK(first != fingerprint_of(profile, "0x2", std::nullopt));
  CHECK(first != fingerprint_of(profile, "0x1", 1.5));
  MachineProfile fewer = profile;
  fewer.threads = 2;
  CHECK(first != fingerprint_of(fewer, "0x1", std::nullopt));
  MachineProfile other_isa = profile;
  other_isa.isa = "ref";
  CHECK(first != fingerprint_of(other_isa, "0x1", std::nullopt));
  MachineProfile rebooted = profile;
  rebooted.memory_bytes += 4096;
  CHECK(first == fingerprint_of(rebooted, "0x1", std::nullopt));
}
