// Reports: complete without scripts, safe with hostile names, the same again from result.json.
#include "selector/report.h"

#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "selector/documents.h"
#include "selector/report_text.h"
#include "tests/selector/fake_engine.h"

using namespace siskin::selector;
using namespace siskin::selector::test;

namespace {

const std::string kHostile = "</script><img src=x onerror=alert(1)>|`x`";

nlohmann::json hostile_result(const TempDir& dir) {
  FakeBackend backend;
  dir.write("m.gguf", "m f16");
  dir.write("test.txt", held_out_text());
  backend.models["m f16"] = {.step_ms = 0.1, .per_request_ms = 0.02};
  backend.models["m q4_0"] = {.step_ms = 0.05, .per_request_ms = 0.01, .bits_per_byte = 1.9, .weight_mb = 3, .active_mb = 3};
  const std::string text =
      "[task]\ntext = \"test.txt\"\n[budget]\nlatency_ms = {p99 = 40}\n[[volume]]\nqps = 100\nusd_per_month = 9000\n"
      "[quality]\nmax_loss = 0.02\n[price]\nusd_per_hour = 1\n[measure]\nseconds = 1\n[[candidate]]\nname = '" +
      kHostile + "'\nmodel = \"m.gguf\"\nvariants = [\"f16\", \"q4_0\"]\n";
  auto config = parse_config(text, dir.path() / "c.toml");
  if (!config) FAIL(config.error().message);
  RunOptions options;
  options.out_dir = dir.path() / "out";
  options.counters = [] { return MachineCounters{}; };
  auto outcome = run_selection(*config, backend, options);
  if (!outcome) FAIL(outcome.error().message);
  REQUIRE(write_outputs(options.out_dir, outcome->json));
  return outcome->json;
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("names cannot leave their place", "[report]") {
  const TempDir dir;
  const auto result = hostile_result(dir);
  const std::string html = report_html(result);
  CHECK(html.find("<img") == std::string::npos);
  CHECK(count(html, "</script>") == 4);  // ours: class, data, library, charts
  CHECK(html.find("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;") != std::string::npos);
  CHECK(html.find("http-equiv=\"Content-Security-Policy\"") != std::string::npos);
  CHECK(html.find("src=\"http") == std::string::npos);
  CHECK(html.find("href=") == std::string::npos);
  CHECK(html.find("Chart.js v") != std::string::npos);

  const std::string markdown = report_markdown(result);
  CHECK(markdown.find("<img") == std::string::npos);
  CHECK(markdown.find("\\|\\`x\\`") != std::string::npos);
}

TEST_CASE("the embedded data is the result", "[report]") {
  const TempDir dir;
  const auto result = hostile_result(dir);
  CHECK(nlohmann::json::parse(json_for_script(result)) == result);
  CHECK(json_for_script(result).find('<') == std::string::npos);
}

TEST_CASE("reports are made again from result.json", "[report]") {
  const TempDir dir;
  hostile_result(dir);
  const auto out = dir.path() / "out";
  const std::string html = *read_text(out / "report.html"), markdown = *read_text(out / "report.md");
  std::filesystem::remove(out / "report.html");
  std::filesystem::remove(out / "report.md");
  REQUIRE(rewrite_reports(out));
  CHECK(*read_text(out / "report.html") == html);
  CHECK(*read_text(out / "report.md") == markdown);
  dir.write("out/result.json", "{\"schema\": 1}");
  const auto broken = rewrite_reports(out);
  REQUIRE_FALSE(broken);
  CHECK(broken.error().message.find("result.json") != std::string::npos);
}

TEST_CASE("result.json keeps its promises", "[report]") {
  const TempDir dir;
  const auto result = hostile_result(dir);
  for (const char* key : {"schema", "chosen", "candidates", "machine", "workload", "budget", "warnings"})
    CHECK(result.contains(key));
  for (const auto& candidate : result["candidates"]) {
    for (const char* key : {"name", "status", "stage", "reason", "cheapest_change", "pareto", "cost"})
      CHECK(candidate.contains(key));
    for (const char* key : {"quality", "ram_gb", "active_params", "total_params", "bytes_per_token", "max_qps_per_replica"}) {
      CAPTURE(key);
      CHECK(candidate[key].contains("value"));
      CHECK(candidate[key].contains("source"));
    }
    for (const char* key : {"p50", "p95", "p99", "p99_upper", "n"}) CHECK(candidate["latency_ms"][key].contains("source"));
    for (const auto& cost : candidate["cost"]) CHECK(cost["usd_per_month"]["source"] == "estimated");
  }
  CHECK(result["candidates"][0]["quality"]["source"] == "measured");
  CHECK(result["candidates"][0]["quality"]["path"] == "decode");
  CHECK(result["candidates"][1]["status"] == "failed");
  CHECK(result["candidates"][1]["stage"] == "quality");
}

TEST_CASE("results.sqlite answers questions", "[report]") {
  const TempDir dir;
  hostile_result(dir);
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open((dir.path() / "out" / "results.sqlite").c_str(), &database) == SQLITE_OK);
  const auto number = [&](const char* sql) {
    sqlite3_stmt* statement = nullptr;
    REQUIRE(sqlite3_prepare_v2(database, sql, -1, &statement, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
    const double value = sqlite3_column_double(statement, 0);
    sqlite3_finalize(statement);
    return value;
  };
  CHECK(number("SELECT count(*) FROM candidates") == 2);
  CHECK(number("SELECT count(*) FROM trials") == 4);
  CHECK(number("SELECT count(*) FROM costs WHERE usd_per_month > 0") == 2);
  sqlite3_close(database);
}
