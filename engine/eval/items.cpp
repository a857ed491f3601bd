// score_documents and score_choices: texts scored whole, from their first token.
#include <algorithm>
#include <numeric>

#include "engine/eval/scorer.h"
#include "formats/try.h"

namespace siskin {
namespace {

// Windows start anew: BOS, then the next ctx - 1 inputs, so that each window scores ctx tokens. A model without BOS cannot
// predict a window's first token, which is then only read.
Result<DocumentScore> score_document(Scorer& scorer, const std::string& text, size_t ctx) {
  const Model& model = scorer.model();
  SISKIN_TRY(std::vector<TokenId> tokens, model.tokenize(text, /*add_bos=*/true));
  const bool has_bos = !tokens.empty() && tokens.front() == model.bos();
  const std::span<const TokenId> content = std::span<const TokenId>(tokens).subspan(has_bos ? 1 : 0);
  DocumentScore score;
  score.bytes = text.size();
  for (size_t at = 0; at < content.size(); at += ctx) {
    std::vector<TokenId> window;
    window.reserve(ctx + 1);
    if (has_bos) window.push_back(model.bos());
    const auto part = content.subspan(at, std::min(ctx, content.size() - at));
    window.insert(window.end(), part.begin(), part.end());
    if (window.size() < 2) continue;
    SISKIN_TRY(const std::vector<double> nll, scorer.nll(window, 0, window.size() - 1));
    score.nll = std::accumulate(nll.begin(), nll.end(), score.nll);
    score.tokens += nll.size();
  }
  return score;
}

size_t shared_prefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

// A choice may merge with the prompt's last token ("...: " + "cat" -> " cat"). All choices are scored from the first token that
// is not the prompt's in every one of them, so that they are likelihoods of the same thing.
Result<ChoiceScore> score_choice_item(Scorer& scorer, const ChoiceItem& item, size_t ctx, const std::string& where) {
  const Model& model = scorer.model();
  if (item.choices.empty()) return Error{ErrorCode::invalid_argument, where + ": no choices"};
  if (item.answer >= item.choices.size()) {
    return Error{ErrorCode::invalid_argument, where + ": answer: expected below " + std::to_string(item.choices.size()) +
                                                  ", got " + std::to_string(item.answer)};
  }
  SISKIN_TRY(const std::vector<TokenId> prompt, model.tokenize(item.prompt, /*add_bos=*/true));
  std::vector<std::vector<TokenId>> texts;
  size_t start = prompt.size();
  for (const std::string& choice : item.choices) {
    SISKIN_TRY(std::vector<TokenId> tokens, model.tokenize(item.prompt + choice, /*add_bos=*/true));
    if (tokens.size() > ctx + 1) {
      return Error{ErrorCode::invalid_argument,
                   where + ": " + std::to_string(tokens.size()) + " tokens, ctx holds " + std::to_string(ctx)};
    }
    start = std::min(start, shared_prefix(prompt, tokens));
    texts.push_back(std::move(tokens));
  }
  start = std::max<size_t>(start, 1);  // nothing predicts the first token

  ChoiceScore score;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].size() <= start) {
      return Error{ErrorCode::invalid_argument, where + ": choice " + std::to_string(i) + " adds no token to the prompt"};
    }
    SISKIN_TRY(const std::vector<double> nll, scorer.nll(texts[i], start - 1, texts[i].size() - 1));
    score.logprob.push_back(-std::accumulate(nll.begin(), nll.end(), 0.0));
  }
  const auto best = std::max_element(score.logprob.begin(), score.logprob.end());
  score.predicted = static_cast<size_t>(best - score.logprob.begin());
  score.correct = score.predicted == item.answer;
  return score;
}

}  // namespace

Result<std::vector<DocumentScore>> score_documents(const std::shared_ptr<const Model>& model,
                                                   std::span<const std::string> documents, const EvalOptions& options) {
  SISKIN_TRY(Scorer scorer, Scorer::create(model, options));
  std::vector<DocumentScore> scores;
  for (const std::string& text : documents) {
    SISKIN_TRY(const DocumentScore score, score_document(scorer, text, options.ctx));
    scores.push_back(score);
    SISKIN_TRY_STATUS(report_progress(options, scores.size(), documents.size()));
  }
  return scores;
}

Result<std::vector<ChoiceScore>> score_choices(const std::shared_ptr<const Model>& model, std::span<const ChoiceItem> items,
                                               const EvalOptions& options) {
  SISKIN_TRY(Scorer scorer, Scorer::create(model, options));
  std::vector<ChoiceScore> scores;
  for (const ChoiceItem& item : items) {
    SISKIN_TRY(ChoiceScore score, score_choice_item(scorer, item, options.ctx, "item " + std::to_string(scores.size() + 1)));
    scores.push_back(std::move(score));
    SISKIN_TRY_STATUS(report_progress(options, scores.size(), items.size()));
  }
  return scores;
}

}  // namespace siskin
