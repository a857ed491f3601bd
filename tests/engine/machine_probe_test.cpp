// The probe: interpolation on a made-up profile, loops that read and compute what they claim, and one real measurement.
#include <siskin/machine.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <optional>
#include <vector>

#include "engine/machine/loops.h"
#include "engine/machine/team.h"
#include "kernels/select.h"

using namespace siskin;

TEST_CASE("bandwidth is interpolated over working sets at the nearest thread count", "[machine]") {
  MachineProfile profile;
  CHECK(profile.read_bandwidth_at(1, 1e6) == 0);
  profile.read_gb_s = {{1, 1, 80}, {1, 100, 20}, {8, 100, 60}, {8, 1, 400}, {8, 10000, 40}};
  CHECK(profile.read_bandwidth_at(1, 1e6) == Approx(80));
  CHECK(profile.read_bandwidth_at(1, 1e3) == Approx(80));
  CHECK(profile.read_bandwidth_at(1, 1e12) == Approx(20));
  CHECK(profile.read_bandwidth_at(1, 10e6) == Approx(50));  // half way in the logarithm
  CHECK(profile.read_bandwidth_at(4, 10e6) == Approx(50));  // 4 is nearer to 1 than to 8
  CHECK(profile.read_bandwidth_at(5, 1000e6) == Approx(50));
  CHECK(profile.read_bandwidth_at(64, 100e6) == Approx(60));
}

TEST_CASE("read loops see every byte", "[machine]") {
  constexpr size_t kBytes = 4 * kReadStep;
  struct alignas(64) Block {
    std::byte bytes[kBytes];
  };
  std::vector<Block> blocks(1);
  std::byte* data = blocks.front().bytes;
  for (const Isa& isa : available_isas()) {
    const ReadLoop read = read_loop_for(isa.name);
    CHECK(read(data, kBytes) == 0);
    for (size_t at = 0; at < kBytes; ++at) {
      data[at] = std::byte{1};
      if (read(data, kBytes) != uint64_t{1} << (at % 8 * 8)) FAIL(isa.name << " misses byte " << at);
      data[at] = std::byte{0};
    }
  }
}

TEST_CASE("arithmetic loops take longer for more iterations", "[machine]") {
  const ArithmeticLoops loops = arithmetic_loops();
  CHECK(loops.f32.run != nullptr);
  for (const ArithmeticLoop* loop : {&loops.f32, &loops.bf16, &loops.int8_vector, &loops.int8_matrix, &loops.bf16_matrix}) {
    if (loop->run == nullptr) continue;
    CHECK(loop->ops > 0);
    const auto best_of_five = [&](size_t iterations) {
      double best = 1e9;
      for (int i = 0; i < 5; ++i) {
        const std::clock_t begin = std::clock();  // CPU time: other programs do not count
        const float result = loop->run(iterations);
        best = std::min(best, static_cast<double>(std::clock() - begin));
        CHECK_FALSE(std::isnan(result));
      }
      return best;
    };
    // A loop that the compiler folded away would take the same time for both. Sixteen-fold work, four-fold time at the least.
    CHECK(best_of_five(1600000) > 4 * best_of_five(100000));
  }
}

TEST_CASE("every thread of a timed run works in every pass", "[machine]") {
  std::vector<int> calls(3);
  const auto runs = timed_runs(3, 0, 4, [&](unsigned thread) { ++calls[thread]; });
  REQUIRE(runs);
  CHECK(runs->passes == 4);
  CHECK(calls == std::vector<int>{4, 4, 4});
  CHECK(std::isfinite(runs->best_seconds));
}

namespace {

// $XDG_CACHE_HOME is a fresh folder while one of these lives.
class TemporaryCache {
 public:
  TemporaryCache() {
    if (const char* before = std::getenv("XDG_CACHE_HOME")) before_ = before;
    path_ = (std::filesystem::temp_directory_path() / "siskin-probe-XXXXXX").string();
    REQUIRE(mkdtemp(path_.data()) != nullptr);
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
  TemporaryCache(const TemporaryCache&) = delete;
  TemporaryCache& operator=(const TemporaryCache&) = delete;

 private:
  std::string path_;
  std::optional<std::string> before_;
};

}  // namespace

TEST_CASE("this machine is measured, cached, and found again", "[machine]") {
  const TemporaryCache cache;
  double progress = 0;
  MachineOptions options;
  options.on_progress = [&](double fraction) {
    CHECK(fraction >= progress);
    progress = fraction;
  };
  const auto measured = machine_profile(options);
  REQUIRE(measured);
  const MachineProfile& profile = **measured;
  CHECK(progress == Approx(1));
  CHECK_FALSE(profile.from_cache);
  REQUIRE_FALSE(profile.read_gb_s.empty());
  for (const ReadBandwidth& point : profile.read_gb_s) {
    CHECK(point.threads >= 1);
    CHECK(point.threads <= profile.threads);
    CHECK(point.mb > 0);
    CHECK(std::isfinite(point.gb_s));
    CHECK(point.gb_s > 0);
    CHECK(point.gb_s <= profile.read_gb_s_max);
  }
  REQUIRE(profile.peak_f32);
  CHECK(*profile.peak_f32 > 0);
  CHECK(profile.peak_f32_by_threads.size() == profile.threads);
  CHECK(profile.peak_f32_by_threads.back() == *profile.peak_f32);
  CHECK(profile.peak_int8_vector.has_value() == !profile.peak_int8_by_threads.empty());
  CHECK(profile.fingerprint.size() == 64);

  const auto again = machine_profile();
  REQUIRE(again);
  CHECK((*again)->from_cache);
  CHECK((*again)->read_gb_s_max == profile.read_gb_s_max);

  const auto absent = machine_profile([] {
    MachineOptions unknown;
    unknown.isa = "no_such_isa";
    return unknown;
  }());
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code == ErrorCode::invalid_argument);
}

TEST_CASE("kernels compete, the fastest is chosen and found again", "[machine]") {
  const TemporaryCache cache;
  MachineOptions known;
  known.measure = false;
  const auto nothing = measure_kernels(known);
  REQUIRE(nothing);
  CHECK(nothing->empty());

  const auto measured = measure_kernels();
  REQUIRE(measured);
  REQUIRE_FALSE(measured->empty());
  for (const KernelChoice& choice : *measured) {
    INFO(choice.op << " " << choice.type << " " << choice.m << " " << choice.n << " " << choice.k);
    REQUIRE_FALSE(choice.gflops.empty());
    CHECK(choice.gflops.front().first == "siskin");
    double best = 0;
    std::string fastest;
    for (const auto& [name, gflops] : choice.gflops) {
      CHECK(std::isfinite(gflops));
      CHECK(gflops > 0);
      if (gflops > best) fastest = name;
      best = std::max(best, gflops);
    }
    CHECK(choice.chosen == fastest);
  }
  const auto again = measure_kernels(known);
  REQUIRE(again);
  REQUIRE(again->size() == measured->size());
  CHECK(again->front().gflops == measured->front().gflops);
}
