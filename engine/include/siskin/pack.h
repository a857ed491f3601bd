// Writing a model as the kernels read it, so that it starts at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include <siskin/export.h>
#include <siskin/result.h>

namespace siskin {

struct PackOptions {
  unsigned threads = 0;                                            // 0: usable_threads()
  std::function<bool(uint64_t done, uint64_t total)> on_progress;  // bytes of the file; false cancels
};

struct PackReport {
  uint64_t tensors = 0;
  uint64_t bytes = 0;          // of the file written
  uint64_t padding_bytes = 0;  // of its weights
  double seconds = 0;
};

// Reads a GGUF file or a Hugging Face folder of a built architecture, writes a packed file: its weights in this version's layouts, with
// the metadata and tokenizer. Model::load maps such a file; results are those of the original, bit for bit. The output is old, new or
// absent, never half. Weights keep their types: quantize first.
SISKIN_API Result<PackReport> pack_model(const std::filesystem::path& in, const std::filesystem::path& out,
                                         const PackOptions& options = {});

}  // namespace siskin
