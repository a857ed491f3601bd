// evaluate_perplexity: llama.cpp's method, so that numbers compare with everyone's.
#include <cmath>
#include <numbers>

#include "engine/eval/scorer.h"
#include "engine/eval/statistics.h"
#include "formats/try.h"

namespace siskin {

Result<Perplexity> evaluate_perplexity(const std::shared_ptr<const Model>& model, std::string_view text,
                                       const EvalOptions& options) {
  SISKIN_TRY(const TextWindows windows, TextWindows::cut(*model, text, options));
  SISKIN_TRY(Scorer scorer, Scorer::create(model, options));
  Moments nll;
  size_t bytes = 0, done = 0;
  for (size_t i = 0; i < windows.count(); ++i) {
    const std::vector<TokenId> window = windows.window(i);
    SISKIN_TRY(const std::vector<double> scored, scorer.nll(window, windows.first_scored(), windows.last_scored()));
    for (const double value : scored) nll.add(value);
    for (size_t at = windows.first_scored() + 1; at <= windows.last_scored(); ++at) {
      SISKIN_TRY(const std::string piece, model->piece(window[at]));
      bytes += piece.size();
    }
    done = i + 1;
    if (!report_progress(options, done, windows.count())) break;  // what was scored is the result
  }
  Perplexity result;
  result.perplexity = std::exp(nll.mean());
  result.perplexity_stderr = result.perplexity * nll.mean_stderr();
  result.bits_per_byte = bytes == 0 ? 0 : nll.sum() / std::numbers::ln2 / static_cast<double>(bytes);
  result.tokens = nll.count();
  result.chunks = done;
  return result;
}

}  // namespace siskin
