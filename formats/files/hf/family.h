// The families of Hugging Face folders: one row each, in a file of its own family; hf_config and hf_tensors work from the rows.
#pragma once

#include <siskin/result.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/files/hf/config_reader.h"
#include "formats/metadata.h"

namespace siskin {

// A tensor of a layer: its name behind "model.layers.N." there and behind "blk.N." in GGUF.
struct HfRename {
  const char* hf;
  const char* gguf;
  bool transposed = false;  // rows there are columns in GGUF
};

// How it calls what lies outside of layers, and where these are.
struct HfNames {
  const char* prefix = "model.";  // of all but the head, where there is one
  const char* layers = "layers.";
  const char* embedding = "embed_tokens.weight";
  const char* norm = "norm.weight";
  const char* head = "lm_head.weight";
  // Begins the names of what is no part of the text model, where there is such; it is left out, and the reader is told.
  std::span<const std::string_view> others = {};
  const char* norm_bias = "norm.bias";
};

// Where a folder differs from GGUF in what its layers number.
struct HfLayers {
  uint64_t n_idle = 0;  // behind the last one: for drafting several tokens at once; they are left out
};

// A vector that config.json holds and GGUF keeps as a tensor of this name.
struct HfVector {
  std::string name;
  std::vector<float> values;
};

struct HfFamily {
  const char* model_type;
  const char* architecture;
  const char* gguf;  // general.architecture
  // The defaults of its transformers configuration class.
  uint64_t context_length = 0;
  uint64_t kv_heads = 0;  // 0: as many as heads
  uint64_t head_dim = 0;  // 0: hidden_size / heads
  double rms_epsilon = 1e-6;
  double rope_theta = 1e4;
  bool tied = false;
  const char* activation_key = "hidden_act";
  const char* activation = "silu";
  double rotated = 0;           // of each head, unless the file says otherwise; 0: all, whatever the file says
  bool stretches_base = false;  // rope scaling "dynamic" with "alpha" stretches the base, whatever the length
  bool has_mscales = false;     // LongRoPE's magnitudes are "short_mscale" and "long_mscale", whatever the factor
  bool attention_bias = false;  // "attention_bias" may be true: its q, k and v have biases
  // Sets the keys that are its own and refuses what of it is not built.
  Status (*describe)(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers& layers) = nullptr;
  std::span<const HfRename> tensors = {};  // its own names, before the common ones
  HfNames names = {};
  const char* epsilon_key = "attention.layer_norm_rms_epsilon";
  // A configuration under the names that the other families use; null: it has them.
  nlohmann::json (*in_common_names)(const nlohmann::json& config) = nullptr;

  std::string key(const char* name) const { return std::string(gguf) + "." + name; }
};

// dbrx.cpp, deepseek.cpp, ernie.cpp, gemma3.cpp, glm4.cpp, gpt_oss.cpp, granite.cpp, hunyuan.cpp, llama.cpp, llama4.cpp,
// minimax.cpp, olmoe.cpp, phimoe.cpp, qwen.cpp
extern const HfFamily kHfDbrx;
extern const HfFamily kHfDeepseek, kHfDeepseek2, kHfDeepseek3, kHfKimiK2;
extern const HfFamily kHfErnie45Moe;
extern const HfFamily kHfGemma3;
extern const HfFamily kHfGlm4Moe;
extern const HfFamily kHfGptOss;
extern const HfFamily kHfGraniteMoe, kHfGraniteMoeShared;
extern const HfFamily kHfHunyuanMoe;
extern const HfFamily kHfMiniMaxM2;
extern const HfFamily kHfLlama, kHfMistral, kHfMixtral;
extern const HfFamily kHfLlama4, kHfLlama4Conditional;
extern const HfFamily kHfOlmoe;
extern const HfFamily kHfPhimoe, kHfPhiMoE;
extern const HfFamily kHfQwen2, kHfQwen2Moe, kHfQwen3Moe;
// All of them.
std::span<const HfFamily* const> hf_families();

// GGUF holds F32: rounding here makes a folder and its conversion the same model.
inline double as_f32(double value) { return static_cast<double>(static_cast<float>(value)); }

// How a configuration names its experts, and the defaults.
struct HfExpertKeys {
  const char* count;
  uint64_t n;
  const char* used;
  uint64_t k;
  const char* width = nullptr;  // of one; null: intermediate_size
  uint64_t d = 0;
};
Status set_experts(const HfConfigReader& config, const HfFamily& family, const HfExpertKeys& keys, Metadata& metadata);

// How far q, k and v may go: "clip_qkv", if it is there.
Status set_qkv_clamp(const HfConfigReader& config, const HfFamily& family, Metadata& metadata);

// Refuses windows shorter than the context. `used`: unless "use_sliding_window" says otherwise.
Status refuse_window(const HfConfigReader& config, const HfFamily& family, bool used, const Metadata& metadata);

// The frequencies' stretching in "rope_scaling", or in "rope_parameters" of transformers 5; `vectors` becomes LongRoPE's
// factors. REQUIRES: `metadata` has the context's length.
Status set_rope_scaling(const HfConfigReader& config, const HfConfigReader& rope, const HfFamily& family, Metadata& metadata,
                        std::vector<HfVector>& vectors);

}  // namespace siskin
