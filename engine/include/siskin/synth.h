// Models of a named shape with random weights, to measure speed without a download. Their text means nothing.
#pragma once

#include <siskin/export.h>
#include <siskin/result.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace siskin {

struct SynthOptions {
  std::string like;           // a shape file (bench/shapes/*.txt), a config.json, or a GGUF whose header is taken
  std::string type = "q8_0";  // of QuantizeOptions::type those that a GGUF holds; a mixture too
  size_t layers = 0;          // 0: the shape's
  uint64_t seed = 1;
  double router_skew = 0;  // 0: uniform; z > 0: expert popularity falls like rank^-z
  unsigned threads = 0;
  std::function<bool(uint64_t done, uint64_t total)> on_progress;
};

struct SynthReport {
  uint64_t total_params = 0, active_params = 0, bytes = 0;
  double seconds = 0;
};

// Writes a GGUF that this engine and others load, with a byte-level placeholder tokenizer of the shape's vocabulary size.
SISKIN_API Result<SynthReport> synthesize_model(const std::filesystem::path& out, const SynthOptions& options);

}  // namespace siskin
