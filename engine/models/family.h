// Families: one file each, with three parts: parse the metadata, bind the tensors, compute. This registry is the only other place.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <siskin/result.h>

#include "engine/spec.h"
#include "engine/step.h"
#include "engine/weights.h"
#include "formats/model_file.h"

namespace siskin {

struct Family {
  const char* architecture;  // general.architecture
  Result<ModelSpec> (*parse)(const ModelFile& file);
  std::span<const Binding> bindings;
  // Runs the plan: fills act.logits [n_logits, n_vocab] and the trace.
  void (*forward)(StepContext& ctx);
};

extern const Family kDbrxFamily;
extern const Family kDeepseekFamily;
extern const Family kDeepseek2Family;
extern const Family kErnie45MoeFamily;
extern const Family kGemma3Family;
extern const Family kGlm4MoeFamily;
extern const Family kGptOssFamily;
extern const Family kGraniteMoeFamily;
extern const Family kHunyuanMoeFamily;
extern const Family kLlamaFamily;
extern const Family kLlama4Family;
extern const Family kMiniMaxM2Family;
extern const Family kOlmoeFamily;
extern const Family kPhimoeFamily;
extern const Family kQwen2Family;
extern const Family kQwen2MoeFamily;
extern const Family kQwen3MoeFamily;

// Errors: unsupported, with the names of what is built.
Result<const Family*> find_family(const ModelFile& file);

}  // namespace siskin
