// The load generator and the profile against a server whose times are known.
#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

#include "selector/latency_check.h"
#include "selector/load_generator.h"
#include "selector/parts.h"
#include "selector/profile.h"
#include "tests/selector/fake_engine.h"

using namespace siskin::selector;
using namespace siskin::selector::test;

namespace {

struct Bench {
  FakeBackend backend;
  TempDir dir;
  std::unique_ptr<LoadedModel> model;
  std::unique_ptr<Server> server;
  Workload workload;

  explicit Bench(const FakeModel& row) {
    backend.models["m f16"] = row;
    model = std::move(*backend.load(dir.write("m.gguf", "m f16"), 0));
    siskin::SessionOptions options;
    server = std::move(*model->open_server(options));
    workload.prompt_tokens = 8;
    workload.output_tokens = 10;
  }
  LoadGenerator generator(std::function<bool()> cancelled = {}) {
    return LoadGenerator(*model, *server, backend.clock(), {"eight tokens of text and a few more words"}, workload, true,
                         std::move(cancelled));
  }
};

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

TEST_CASE("a closed loop measures service time and its bytes", "[load]") {
  Bench bench({.step_ms = 1, .per_request_ms = 0});
  const auto run = bench.generator().closed_loop(1, 0, 50, 50);
  REQUIRE(run);
  CHECK(run->latency_ms.size() == 50);
  CHECK(mean(run->latency_ms) == Approx(10));
  CHECK(mean(run->ttft_ms) == Approx(1));
  CHECK(run->qps() == Approx(100));
  CHECK(run->bytes_per_token() == Approx(8e6));
}

TEST_CASE("an open loop counts from the moment a request was due", "[load]") {
  Bench idle({.step_ms = 1, .per_request_ms = 0}), flooded({.step_ms = 1, .per_request_ms = 0});
  const auto always = [](const LoadRun&) { return true; };
  const auto quiet = idle.generator().open_loop(1, 200, 7, always);
  REQUIRE(quiet);
  CHECK(quiet->latency_ms.size() == 200);
  CHECK(mean(quiet->latency_ms) == Approx(10).epsilon(0.05));
  CHECK(quiet->qps() == Approx(1).epsilon(0.2));
  // 16 requests a step of 10 ms is 1600/s at most: at 16000/s the backlog must show as latency.
  const auto late = flooded.generator().open_loop(16000, 2000, 7, always);
  REQUIRE(late);
  CHECK(mean(late->latency_ms) > 300);
  CHECK(*std::min_element(late->latency_ms.begin(), late->latency_ms.end()) >= 9);
}

TEST_CASE("a run stops when told and when interrupted", "[load]") {
  Bench bench({.step_ms = 1, .per_request_ms = 0});
  const auto run =
      bench.generator().open_loop(10, 1000, 7, [](const LoadRun& so_far) { return so_far.latency_ms.size() < 20; });
  REQUIRE(run);
  CHECK(run->stopped_early);
  CHECK(run->latency_ms.size() >= 20);
  CHECK(run->latency_ms.size() < 40);
  const auto interrupted = bench.generator([] { return true; }).open_loop(10, 1000, 7, [](const LoadRun&) { return true; });
  REQUIRE_FALSE(interrupted);
  CHECK(interrupted.error().code == siskin::ErrorCode::cancelled);
}

TEST_CASE("declared parts are drawn from their own distribution", "[load]") {
  const Part network{Part::Kind::lognormal, 12, 40, {}};
  CHECK(quantile_ms(network, 0.5) == Approx(12));
  CHECK(quantile_ms(network, 0.99) == Approx(40));
  Budget budget;
  budget.network = network;
  auto sums = convolved_ms(std::vector<double>(20000, 5), budget, 3);
  CHECK(sums == convolved_ms(std::vector<double>(20000, 5), budget, 3));
  std::sort(sums.begin(), sums.end());
  CHECK(nearest_rank(sums, 0.5) == Approx(17).epsilon(0.02));
  CHECK(nearest_rank(sums, 0.99) == Approx(45).epsilon(0.05));
}

TEST_CASE("a percentile passes, fails or stays open", "[load]") {
  Budget budget;
  budget.latency_ms.p99 = 20;
  std::vector<double> samples(700, 10);
  CHECK(check_latency(samples, samples, budget, 1).verdict == Verdict::pass);
  samples[3] = 100;  // one of 700 may be over
  CHECK(check_latency(samples, samples, budget, 1).verdict == Verdict::pass);
  samples[4] = samples[5] = 100;
  const LatencyCheck open = check_latency(samples, samples, budget, 1);
  CHECK(open.verdict == Verdict::inconclusive);
  CHECK(open.findings[0].reason.find("more requests are needed") != std::string::npos);
  CHECK_FALSE(open.n_too_small);
  std::fill(samples.begin(), samples.begin() + 30, 100);
  CHECK(check_latency(samples, samples, budget, 1).verdict == Verdict::fail);
  const std::vector<double> few(100, 10);
  const LatencyCheck small = check_latency(few, few, budget, 1);
  CHECK(small.verdict == Verdict::inconclusive);
  CHECK(small.n_too_small);
  CHECK_FALSE(small.latency.p99.point.has_value());
  CHECK(small.findings[0].reason.find("at least 359 more requests") != std::string::npos);
  CHECK(surely_broken({30, 30, 1, 1, 1, 1, 1, 1, 1, 1}, {}, budget, 1));
  CHECK_FALSE(surely_broken({30, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {}, budget, 1));
}
