// Windows of text and their logits.
#include "engine/eval/scorer.h"

#include <algorithm>
#include <string>

#include "engine/eval/statistics.h"
#include "engine/exec/fork_join.h"
#include "engine/quantize/tool_threads.h"
#include "formats/check.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr size_t kPrefillChunk = 512;
constexpr size_t kSmallestWindow = 4;  // below it no position is both in the second half and followed by a token

Status check_ctx(size_t ctx) {
  if (ctx >= kSmallestWindow) return {};
  return Error{ErrorCode::invalid_argument,
               "ctx: expected at least " + std::to_string(kSmallestWindow) + ", got " + std::to_string(ctx)};
}

}  // namespace

Result<Scorer> Scorer::create(const std::shared_ptr<const Model>& model, const EvalOptions& options) {
  SISKIN_TRY_STATUS(check_ctx(options.ctx));
  SessionOptions session_options;
  session_options.threads = options.threads;
  session_options.ctx = options.ctx;
  session_options.batch = kPrefillChunk;
  session_options.max_requests = 1;
  session_options.deterministic = options.deterministic;
  session_options.kv_type = options.kv_type;
  session_options.experts = options.experts;
  SISKIN_TRY(auto session, Session::create(model, session_options));
  return Scorer(std::move(session), options.path == EvalPath::decode ? 1 : kPrefillChunk);
}

Result<WindowLogits> Scorer::logits(std::span<const TokenId> window) {
  WindowLogits logits;
  logits.n_vocab = model().info().n_vocab;
  SISKIN_TRY(logits.values, session_->logits(window, chunk_));
  SISKIN_CHECK(logits.values.size() == window.size() * logits.n_vocab);
  return logits;
}

void Scorer::for_each(size_t n, const std::function<void(size_t)>& body) const {
  tbb::task_arena arena(tool_threads(session_->threads()));
  fork_join(arena, 0, n, 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) body(i);
  });
}

std::vector<double> Scorer::nll_of(const WindowLogits& logits, std::span<const TokenId> window, size_t first,
                                   size_t last) const {
  SISKIN_CHECK(first <= last && last < window.size());
  std::vector<double> nll(last - first);
  for_each(nll.size(),
           [&](size_t i) { nll[i] = token_nll(logits.row(first + i), static_cast<size_t>(window[first + i + 1])); });
  return nll;
}

Result<std::vector<double>> Scorer::nll(std::span<const TokenId> window, size_t first, size_t last) {
  // The last token is only predicted: its own logits are never asked for.
  SISKIN_TRY(const WindowLogits rows, logits(window.first(window.size() - 1)));
  return nll_of(rows, window, first, last);
}

Result<TextWindows> TextWindows::cut(const Model& model, std::string_view text, const EvalOptions& options) {
  SISKIN_TRY_STATUS(check_ctx(options.ctx));
  TextWindows windows;
  SISKIN_TRY(windows.tokens_, model.tokenize(text, /*add_bos=*/true));
  windows.ctx_ = options.ctx;
  if (!windows.tokens_.empty() && windows.tokens_.front() == model.bos()) windows.bos_ = model.bos();
  windows.count_ = windows.tokens_.size() / options.ctx;
  if (windows.count_ == 0) {
    return Error{ErrorCode::invalid_argument, "text: " + std::to_string(windows.tokens_.size()) +
                                                  " tokens, expected at least one window of " + std::to_string(options.ctx)};
  }
  if (options.chunks != 0) windows.count_ = std::min(windows.count_, options.chunks);
  return windows;
}

std::vector<TokenId> TextWindows::window(size_t i) const {
  SISKIN_CHECK(i < count_);
  const auto begin = tokens_.begin() + static_cast<std::ptrdiff_t>(i * ctx_);
  std::vector<TokenId> window(begin, begin + static_cast<std::ptrdiff_t>(ctx_));
  if (bos_ >= 0) window.front() = bos_;
  return window;
}

Status report_progress(const EvalOptions& options, size_t done, size_t total) {
  if (!options.on_progress || options.on_progress(done, total)) return {};
  return Error{ErrorCode::cancelled, "evaluation cancelled after " + std::to_string(done) + " of " + std::to_string(total)};
}

}  // namespace siskin
