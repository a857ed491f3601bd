// Quality, measured: perplexity by llama.cpp's method, documents scored whole, multiple choice by likelihood, divergence.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <siskin/expert_knobs.h>
#include <siskin/export.h>
#include <siskin/kv_type.h>
#include <siskin/model.h>
#include <siskin/result.h>

namespace siskin {

enum class EvalPath { prefill, decode };  // which kernels score

struct EvalOptions {
  size_t ctx = 512;    // window
  size_t chunks = 0;   // 0: all
  EvalPath path = EvalPath::prefill;
  unsigned threads = 0;
  bool deterministic = false;  // SessionOptions
  KvType kv_type = KvType::f16;
  ExpertKnobs experts;  // of the model that is judged; a reference runs as it is
  // After each window or document; false stops: perplexity and divergence are then those of the windows done so far, the other
  // evaluations return the error `cancelled`.
  std::function<bool(size_t done, size_t total)> on_progress;
};

// Windows of ctx tokens, BOS in place of each window's first token, the second half scored (positions ctx/2 .. ctx-2 predict their
// successors). stderr as llama.cpp's: perplexity * sqrt(var(nll) / (n - 1)).
struct Perplexity {
  double perplexity = 0, perplexity_stderr = 0;
  double bits_per_byte = 0;  // nll of the scored tokens in bits / bytes they decode to
  size_t tokens = 0;         // scored
  size_t chunks = 0;
};
SISKIN_API Result<Perplexity> evaluate_perplexity(const std::shared_ptr<const Model>& model, std::string_view text,
                                                  const EvalOptions& options = {});

struct DocumentScore {
  double nll = 0;  // nats, of every token after BOS; documents longer than ctx are scored in windows
  size_t tokens = 0;
  size_t bytes = 0;  // of the document's text
};
SISKIN_API Result<std::vector<DocumentScore>> score_documents(const std::shared_ptr<const Model>& model,
                                                              std::span<const std::string> documents,
                                                              const EvalOptions& options = {});

struct ChoiceItem {
  std::string prompt;
  std::vector<std::string> choices;
  size_t answer = 0;
};
struct ChoiceScore {
  size_t predicted = 0;
  bool correct = false;
  std::vector<double> logprob;  // of each choice, summed over its tokens
};
SISKIN_API Result<std::vector<ChoiceScore>> score_choices(const std::shared_ptr<const Model>& model,
                                                          std::span<const ChoiceItem> items, const EvalOptions& options = {});

// Against a reference model on the same windows and scored positions. KL(reference || model) in nats per token.
struct Divergence {
  double kld_mean = 0, kld_p99 = 0;
  double same_top = 0;  // share of positions with the same most likely token
  double ppl_ratio = 0, ppl_ratio_stderr = 0;
  size_t tokens = 0;
};
SISKIN_API Result<Divergence> evaluate_divergence(const std::shared_ptr<const Model>& model,
                                                  const std::shared_ptr<const Model>& reference, std::string_view text,
                                                  const EvalOptions& options = {});

}  // namespace siskin
