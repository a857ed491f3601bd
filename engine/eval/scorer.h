// Scorer: one model's logits over windows of tokens, for every kind of evaluation. Not the statistics of them.
#pragma once

#include <siskin/eval.h>
#include <siskin/session.h>

#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace siskin {

// The logits of one window, [tokens, n_vocab].
struct WindowLogits {
  std::vector<float> values;
  size_t n_vocab = 0;
  std::span<const float> row(size_t position) const { return std::span(values).subspan(position * n_vocab, n_vocab); }
};

class Scorer {
 public:
  static Result<Scorer> create(const std::shared_ptr<const Model>& model, const EvalOptions& options);

  const Model& model() const { return session_->model(); }
  Result<WindowLogits> logits(std::span<const TokenId> window);
  // Runs body(i) for i in [0, n) on this evaluation's threads. Results must land in slots of their own.
  void for_each(size_t n, const std::function<void(size_t)>& body) const;
  // nll[i] of window[first + 1 + i] for the positions first .. last-1. REQUIRES: last < window.size().
  Result<std::vector<double>> nll(std::span<const TokenId> window, size_t first, size_t last);
  std::vector<double> nll_of(const WindowLogits& logits, std::span<const TokenId> window, size_t first, size_t last) const;

 private:
  Scorer(std::unique_ptr<Session> session, size_t chunk) : session_(std::move(session)), chunk_(chunk) {}

  std::unique_ptr<Session> session_;
  size_t chunk_;
};

// A text cut as llama.cpp's perplexity cuts it: windows of ctx tokens, the first token of each replaced by BOS when the model
// uses one, positions first .. last-1 scored.
class TextWindows {
 public:
  // Errors: invalid_argument (ctx below 4, a text shorter than one window), not_found (no tokenizer).
  static Result<TextWindows> cut(const Model& model, std::string_view text, const EvalOptions& options);

  size_t count() const { return count_; }
  size_t first_scored() const { return ctx_ / 2; }
  size_t last_scored() const { return ctx_ - 1; }  // one past
  std::vector<TokenId> window(size_t i) const;
  std::span<const TokenId> tokens() const { return tokens_; }

 private:
  std::vector<TokenId> tokens_;
  size_t ctx_ = 0;
  size_t count_ = 0;
  TokenId bos_ = -1;  // -1: windows keep their first token
};

// False from the callback becomes error `cancelled`.
Status report_progress(const EvalOptions& options, size_t done, size_t total);

}  // namespace siskin
