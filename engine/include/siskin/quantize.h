// Rewriting a model's matrices in another type.
#pragma once

#include <siskin/export.h>
#include <siskin/result.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace siskin {

struct QuantizeOptions {
  // "f32", "f16", "bf16", "q8_0", "q6_k", "q5_k", "q5_1", "q5_0", "q4_k", "q4_1", "q4_0", "iq4_nl", "iq4_xs", "q3_k", "q2_k",
  // "mxfp4": every matrix in it; or a mixture under llama.cpp's name: "q5_k_m", "q5_k_s", "q4_k_m", "q4_k_s", "q3_k_l",
  // "q3_k_m", "q3_k_s", "q2_k_m" (what llama.cpp calls Q2_K); "auto": f32, f16 or bf16, as most of the input is, and mxfp4
  // where a folder is; or "w8a8" or "fp8", int8 or E4M3 with a scale per row, which are written as a Hugging Face folder
  std::string type;
  unsigned threads = 0;
  std::function<bool(uint64_t done, uint64_t total)> on_progress;  // bytes; false cancels
};

struct QuantizeReport {
  std::map<std::string, uint64_t> types;  // tensors by type
  std::vector<std::string> fallbacks;     // "blk.0.ffn_down.weight: 40 columns, q4_0 needs 32: f16"
  std::vector<std::string> notes;  // what of the input is not in the output: "vision_model.* left out (tensors: 34): ..."
  // Of a folder: layers for drafting several tokens at once (multi-token prediction), which are not written.
  uint64_t unused_tensors = 0, unused_bytes = 0;
  double bits_per_weight = 0;
  uint64_t bytes = 0;  // of the file written
  double seconds = 0;
};

// Reads a GGUF file or a Hugging Face folder, writes GGUF; of w8a8 and fp8 reads and writes a folder. Matrices get the type,
// except that norms, biases and routers stay F32 and rows that the block does not divide take a type of smaller blocks (q4_k ->
// q5_0
// -> f16). The output is old, new or absent, never half.
SISKIN_API Result<QuantizeReport> quantize_model(const std::filesystem::path& in, const std::filesystem::path& out,
                                                 const QuantizeOptions& options);

}  // namespace siskin
