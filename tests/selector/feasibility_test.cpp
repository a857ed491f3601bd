// Bounds of the machine against budgets.
#include "selector/feasibility.h"

#include <catch2/catch.hpp>

#include "tests/selector/fake_engine.h"

using namespace siskin::selector;
using siskin::selector::test::FakeBackend;

namespace {

siskin::ModelInfo eight_megabytes() {
  siskin::ModelInfo info;
  info.active_weight_bytes = 8'000'000;
  info.memory_needed_bytes = 10'000'000;
  info.active_params = 4'000'000;
  info.n_vocab = 4096;
  info.d_model = 256;
  return info;
}

}  // namespace

TEST_CASE("the bandwidth limit is that of working sets no smaller than what fits", "[feasibility]") {
  const FakeBackend backend;
  CHECK(bandwidth_limit_gb_s(backend.profile, 100e6) == 40);
  CHECK(bandwidth_limit_gb_s(backend.profile, 8e6) == 200);  // between 1 and 64 MB: the cache's, to stay a bound
  CHECK(bandwidth_limit_gb_s(backend.profile, 1000) == 200);
}

TEST_CASE("latency is bounded by bytes for every further token", "[feasibility]") {
  const FakeBackend backend;
  Workload workload;
  workload.prompt_tokens = 64;
  workload.output_tokens = 33;
  const Bounds bounds = compute_bounds(eight_megabytes(), workload, backend.profile);
  const double read_ms = 8e6 / 200e9 * 1e3;
  const double prompt_ms = (2.0 * (4e6 - 2 * 4096 * 256) * 64 + 2.0 * 4096 * 256) / 800e9 * 1e3;
  CHECK(bounds.ttft_ms == Approx(std::max(read_ms, prompt_ms)));
  CHECK(bounds.latency_ms == Approx(std::max(read_ms, prompt_ms) + 32 * read_ms));
}

TEST_CASE("rules name the bound, the limit and the change that would pass", "[feasibility]") {
  const FakeBackend backend;
  Config config;
  config.budget.ram_gb = 0.005;
  config.budget.latency_ms.p99 = 1;
  config.budget.network = {Part::Kind::lognormal, 5, 20, {}};
  config.volumes = {{1, {}}};
  const Bounds bounds = compute_bounds(eight_megabytes(), config.workload, backend.profile);
  const auto findings = check_bounds(bounds, config, backend.profile);
  REQUIRE(findings.size() == 2);
  CHECK(findings[0].rule == "ram_gb");
  CHECK(findings[0].found.value == Approx(0.01));
  CHECK(findings[0].found.source == Source::bound);
  CHECK(findings[0].limit == 0.005);
  CHECK(findings[0].cheapest_change == "ram_gb of at least 0.01 GB");
  CHECK(findings[1].rule == "latency_ms.p99");
  CHECK(*findings[1].found.value == Approx(bounds.latency_ms + 20));  // the network's own p99 comes on top

  config.budget = {};
  CHECK(check_bounds(bounds, config, backend.profile).empty());
}
