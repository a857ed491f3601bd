// Writes what a run leaves behind. Each file is replaced as a whole, so that an interrupted write leaves the old one.
#include <fmt/format.h>

#include <fstream>

#include "selector/database.h"
#include "selector/documents.h"
#include "selector/report.h"
#include "selector/run.h"
#include "selector/try.h"

namespace siskin::selector {
namespace {

Status replace_file(const std::filesystem::path& file, const std::string& text) {
  const std::filesystem::path fresh = file.string() + ".new";
  std::ofstream out(fresh, std::ios::binary);
  out << text << std::flush;
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(fresh, file, error);
  if (!out || error) return Error{ErrorCode::io, fmt::format("{}: cannot be written", file.string())};
  return {};
}

Status write_reports(const std::filesystem::path& out_dir, const nlohmann::json& result) {
  SISKIN_TRY_STATUS(replace_file(out_dir / "report.md", report_markdown(result)));
  return replace_file(out_dir / "report.html", report_html(result));
}

}  // namespace

Status write_outputs(const std::filesystem::path& out_dir, const nlohmann::json& result) {
  SISKIN_TRY_STATUS(replace_file(out_dir / "result.json", result.dump(2) + "\n"));
  SISKIN_TRY_STATUS(write_reports(out_dir, result));
  SISKIN_TRY(const TrialLog trials, TrialLog::open(out_dir / "trials.jsonl"));
  return write_database(out_dir / "results.sqlite", result, trials);
}

Status rewrite_reports(const std::filesystem::path& out_dir) {
  const auto file = out_dir / "result.json";
  SISKIN_TRY(const std::string text, read_text(file));
  const auto result = nlohmann::json::parse(text, nullptr, false);
  if (!result.is_object() || result.value("schema", 0) != kResultSchema) {
    return Error{ErrorCode::corrupt_file, fmt::format("{}: expected a result of schema {}", file.string(), kResultSchema)};
  }
  try {
    return write_reports(out_dir, result);
  } catch (const nlohmann::json::exception& error) {  // a key that is missing or of another type
    return Error{ErrorCode::corrupt_file, fmt::format("{}: {}", file.string(), error.what())};
  }
}

}  // namespace siskin::selector
