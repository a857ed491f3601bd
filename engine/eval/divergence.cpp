// evaluate_divergence: how far a model's predictions are from a reference's on the same text.
#include <algorithm>
#include <cmath>

#include "engine/eval/scorer.h"
#include "engine/eval/statistics.h"
#include "formats/try.h"

namespace siskin {
namespace {

Status check_same_tokens(const Model& model, const Model& reference, const TextWindows& ours, const TextWindows& theirs) {
  const size_t n_ours = model.info().n_vocab;
  const size_t n_theirs = reference.info().n_vocab;
  if (n_ours != n_theirs) {
    return Error{ErrorCode::invalid_argument, "the reference has a vocabulary of " + std::to_string(n_theirs) +
                                                  " tokens, the model of " + std::to_string(n_ours) + ": nothing to compare"};
  }
  if (!std::equal(ours.tokens().begin(), ours.tokens().end(), theirs.tokens().begin(), theirs.tokens().end())) {
    return Error{ErrorCode::invalid_argument,
                 "the reference cuts the text into other tokens than the model: nothing to compare"};
  }
  return {};
}

}  // namespace

Result<Divergence> evaluate_divergence(const std::shared_ptr<const Model>& model, const std::shared_ptr<const Model>& reference,
                                       std::string_view text, const EvalOptions& options) {
  SISKIN_TRY(const TextWindows windows, TextWindows::cut(*model, text, options));
  SISKIN_TRY(const TextWindows their_windows, TextWindows::cut(*reference, text, options));
  SISKIN_TRY_STATUS(check_same_tokens(*model, *reference, windows, their_windows));
  SISKIN_TRY(Scorer ours, Scorer::create(model, options));
  EvalOptions as_it_is = options;
  as_it_is.experts = {};
  SISKIN_TRY(Scorer theirs, Scorer::create(reference, as_it_is));

  std::vector<double> divergences;
  Moments log_ratio;  // ln p_reference - ln p_model of each scored token: its mean is the logarithm of the perplexities' ratio
  size_t same_top = 0;
  const size_t first = windows.first_scored();
  const size_t last = windows.last_scored();
  for (size_t i = 0; i < windows.count(); ++i) {
    const std::vector<TokenId> window = windows.window(i);
    const auto inputs = std::span(window).first(last);
    SISKIN_TRY(const WindowLogits q, ours.logits(inputs));
    SISKIN_TRY(const WindowLogits p, theirs.logits(inputs));
    const std::vector<double> q_nll = ours.nll_of(q, window, first, last);
    const std::vector<double> p_nll = ours.nll_of(p, window, first, last);
    std::vector<double> kld(last - first);
    std::vector<char> same(last - first);
    ours.for_each(kld.size(), [&](size_t at) {
      kld[at] = kl_divergence(p.row(first + at), q.row(first + at));
      same[at] = top_index(p.row(first + at)) == top_index(q.row(first + at));
    });
    for (size_t at = 0; at < kld.size(); ++at) {
      log_ratio.add(q_nll[at] - p_nll[at]);
      same_top += same[at] != 0;
    }
    divergences.insert(divergences.end(), kld.begin(), kld.end());
    if (!report_progress(options, i + 1, windows.count())) break;  // what was scored is the result
  }
  Moments kld;
  for (const double value : divergences) kld.add(value);
  Divergence result;
  result.tokens = log_ratio.count();
  result.kld_mean = kld.mean();
  result.kld_p99 = percentile(std::move(divergences), 0.99);
  result.same_top = static_cast<double>(same_top) / static_cast<double>(result.tokens);
  // The two models' losses on a token go together; the error of their difference is far below that of either.
  result.ppl_ratio = std::exp(log_ratio.mean());
  result.ppl_ratio_stderr = result.ppl_ratio * log_ratio.mean_stderr();
  return result;
}

}  // namespace siskin
