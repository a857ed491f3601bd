// SQLite behind a few bound statements; one transaction a run.
#include "selector/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <initializer_list>
#include <memory>
#include <variant>

#include "selector/try.h"

namespace siskin::selector {
namespace {

using Json = nlohmann::json;
using Value = std::variant<std::nullptr_t, double, std::string>;

constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, at TEXT, exit_code REAL, machine TEXT, fingerprint TEXT, result TEXT);
CREATE TABLE IF NOT EXISTS candidates (run TEXT, name TEXT, status TEXT, stage TEXT, reason TEXT, quality REAL, quality_loss REAL,
  p50_ms REAL, p95_ms REAL, p99_ms REAL, p99_upper_ms REAL, max_qps REAL, ram_gb REAL, bytes_per_token REAL, total_params REAL,
  active_params REAL, PRIMARY KEY (run, name));
CREATE TABLE IF NOT EXISTS costs (run TEXT, name TEXT, qps REAL, replicas REAL, usd_per_month REAL, usd_per_request REAL,
  PRIMARY KEY (run, name, qps));
CREATE TABLE IF NOT EXISTS trials (kind TEXT, key TEXT, candidate TEXT, at TEXT, data TEXT, PRIMARY KEY (kind, key));
)sql";

class Database {
 public:
  static Result<Database> open(const std::filesystem::path& file) {
    sqlite3* raw = nullptr;
    const int code = sqlite3_open(file.c_str(), &raw);
    Database database(file, raw);
    if (code != SQLITE_OK) return database.error();
    return database;
  }

  Status run(const char* sql) {
    if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error();
    return {};
  }

  Status insert(const char* sql, std::initializer_list<Value> values) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(handle_.get(), sql, -1, &raw, nullptr) != SQLITE_OK) return error();
    const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(raw, sqlite3_finalize);
    int index = 0;
    for (const Value& value : values) {
      ++index;
      int code = SQLITE_OK;
      if (const auto* text = std::get_if<std::string>(&value)) {
        code = sqlite3_bind_text(raw, index, text->data(), static_cast<int>(text->size()), SQLITE_TRANSIENT);
      } else if (const auto* number = std::get_if<double>(&value)) {
        code = sqlite3_bind_double(raw, index, *number);
      }
      if (code != SQLITE_OK) return error();
    }
    if (sqlite3_step(raw) != SQLITE_DONE) return error();
    return {};
  }

 private:
  Database(std::filesystem::path file, sqlite3* raw) : file_(std::move(file)), handle_(raw, sqlite3_close) {}
  Error error() const { return Error{ErrorCode::io, fmt::format("{}: {}", file_.string(), sqlite3_errmsg(handle_.get()))}; }

  std::filesystem::path file_;
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> handle_;
};

Value number(const Json& quantity) {
  const Json& value = quantity.is_object() && quantity.contains("value") ? quantity["value"] : quantity;
  return value.is_number() ? Value(value.get<double>()) : Value(nullptr);
}

Value text(const Json& value) { return value.is_string() ? Value(value.get<std::string>()) : Value(nullptr); }

Status write_candidate(Database& database, const std::string& run, const Json& candidate) {
  const Json& latency = candidate["latency_ms"];
  SISKIN_TRY_STATUS(database.insert(
      "INSERT OR REPLACE INTO candidates VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
      {run, text(candidate["name"]), text(candidate["status"]), text(candidate["stage"]), text(candidate["reason"]),
       number(candidate["quality"]), number(candidate["quality"]["loss"]), number(latency["p50"]), number(latency["p95"]),
       number(latency["p99"]), number(latency["p99_upper"]), number(candidate["max_qps_per_replica"]),
       number(candidate["ram_gb"]), number(candidate["bytes_per_token"]), number(candidate["total_params"]),
       number(candidate["active_params"])}));
  for (const Json& cost : candidate["cost"]) {
    SISKIN_TRY_STATUS(database.insert("INSERT OR REPLACE INTO costs VALUES (?,?,?,?,?,?)",
                                      {run, text(candidate["name"]), number(cost["qps"]), number(cost["replicas"]),
                                       number(cost["usd_per_month"]), number(cost["usd_per_request"])}));
  }
  return {};
}

}  // namespace

Status write_database(const std::filesystem::path& file, const Json& result, const TrialLog& trials) {
  SISKIN_TRY(Database database, Database::open(file));
  SISKIN_TRY_STATUS(database.run(kSchema));
  SISKIN_TRY_STATUS(database.run("BEGIN"));
  const std::string run = result["run_id"].get<std::string>();
  SISKIN_TRY_STATUS(database.insert("INSERT OR REPLACE INTO runs VALUES (?,?,?,?,?,?)",
                                    {run, text(result["finished_at"]), number(result["exit_code"]),
                                     text(result["machine"]["cpu"]), text(result["machine"]["fingerprint"]), result.dump()}));
  for (const Json& candidate : result["candidates"]) SISKIN_TRY_STATUS(write_candidate(database, run, candidate));
  for (const auto& [id, line] : trials.all()) {
    SISKIN_TRY_STATUS(database.insert(
        "INSERT OR REPLACE INTO trials VALUES (?,?,?,?,?)",
        {id.first, id.second, text(line.value("candidate", Json())), text(line.value("at", Json())), line["data"].dump()}));
  }
  return database.run("COMMIT");
}

}  // namespace siskin::selector
