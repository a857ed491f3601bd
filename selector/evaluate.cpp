// Scores, and a paired bootstrap over documents (Efron 1979; pairing as in Koehn 2004) with a fixed seed.
#include "selector/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "selector/documents.h"
#include "selector/hash.h"
#include "selector/random.h"
#include "selector/statistics.h"
#include "selector/try.h"

namespace siskin::selector {
namespace {

// The share of the risk that one of many candidates gets lies far in the tail: 5% over 20 candidates is the 0.25% quantile,
// which 4000 draws still hold 10 times.
constexpr size_t kDraws = 4000;
constexpr uint64_t kBootstrapSeed = 20260101;

// How much worse, relative to the reference: positive is worse for every metric.
double relative_loss(double value, double reference, Metric metric) {
  if (reference == 0) return value == reference ? 0 : INFINITY;
  return more_is_better(metric) ? (reference - value) / reference : value / reference - 1;
}

struct Bootstrap {
  Interval value, loss;
};

// Draws documents with replacement, the same ones for both models, and reads off quantiles.
Bootstrap bootstrap(const std::vector<UnitScore>& units, const std::vector<UnitScore>& reference, Metric metric,
                    double value_tail, double loss_tail) {
  Random random(kBootstrapSeed);
  std::vector<double> values, losses;
  std::vector<size_t> draw(units.size());
  for (size_t i = 0; i < kDraws; ++i) {
    for (size_t& index : draw) index = random.index(units.size());
    values.push_back(metric_of(units, draw, metric));
    losses.push_back(relative_loss(values.back(), metric_of(reference, draw, metric), metric));
  }
  std::sort(values.begin(), values.end());
  std::sort(losses.begin(), losses.end());
  return {{nearest_rank(values, value_tail), nearest_rank(values, 1 - value_tail)},
          {nearest_rank(losses, loss_tail), nearest_rank(losses, 1 - loss_tail)}};
}

Finding quality_finding(std::string rule, Quantity found, double limit) {
  Finding finding;
  finding.kind = FailKind::quality;
  finding.stage = "quality";
  finding.rule = std::move(rule);
  finding.found = std::move(found);
  finding.limit = limit;
  return finding;
}

std::optional<Finding> judge(const QualityCheck& check, const Config& config) {
  const QualityRule& rule = config.quality;
  if (rule.max_loss && check.loss.ci && check.loss.ci->high > *rule.max_loss) {
    Finding finding = quality_finding("max_loss", check.loss, *rule.max_loss);
    const bool open = *check.loss.value <= *rule.max_loss;
    finding.reason = fmt::format("{} is {:.2f}% worse than the original (up to {:.2f}%), {:.2f}% is allowed{}",
                                 metric_name(config.task.metric), *check.loss.value * 100, check.loss.ci->high * 100,
                                 *rule.max_loss * 100, open ? ": more documents could tell" : "");
    finding.cheapest_change = open ? fmt::format("a larger measure.docs, or max_loss of at least {:.4f}", check.loss.ci->high)
                                   : fmt::format("max_loss of at least {:.4f}", check.loss.ci->high);
    return finding;
  }
  if (rule.min && check.value.ci && check.value.ci->low < *rule.min) {
    Finding finding = quality_finding("min", check.value, *rule.min);
    finding.reason = fmt::format("{} is {:.4f} (as low as {:.4f}), {:.4f} is asked for", metric_name(config.task.metric),
                                 *check.value.value, check.value.ci->low, *rule.min);
    finding.cheapest_change = fmt::format("min of at most {:.4f}", check.value.ci->low);
    return finding;
  }
  return std::nullopt;
}

}  // namespace

Result<Material> load_material(const Config& config) {
  Material out;
  if (!config.task.items.empty()) {
    SISKIN_TRY(const auto items, read_items(config.task.items));
    std::string scored;
    for (const size_t i : spread_indices(items.size(), config.measure.docs)) {
      out.items.push_back(items[i]);
      scored += items[i].prompt + '\0' + std::to_string(items[i].answer);
      for (const auto& choice : items[i].choices) scored += '\0' + choice;
    }
    for (const auto& item : items) out.text += item.prompt + "\n";
    out.hash = sha256(scored);
    return out;
  }
  SISKIN_TRY(out.text, read_text(config.task.text));
  const auto documents = split_documents(out.text);
  if (documents.size() < 2) {
    return Error{ErrorCode::invalid_argument, fmt::format("{}: {} document(s); at least 2 are needed for an interval",
                                                          config.task.text.string(), documents.size())};
  }
  std::string scored;
  for (const size_t i : spread_indices(documents.size(), config.measure.docs)) {
    out.documents.push_back(documents[i]);
    scored += documents[i] + '\0';
  }
  out.hash = sha256(scored);
  return out;
}

Result<QualityScores> score_quality(LoadedModel& model, const Material& material, const Measure& measure,
                                    const ScoreOptions& options) {
  QualityScores out;
  out.path = options.path == EvalPath::decode ? "decode" : "prefill";
  ScoreOptions scoring = options;
  scoring.threads = measure.threads;
  if (!material.items.empty()) {
    SISKIN_TRY(const auto scores, model.score_choices(material.items, scoring));
    for (const ChoiceScore& score : scores) out.units.push_back({0, 0, 0, score.correct ? 1 : 0});
  } else {
    SISKIN_TRY(const auto scores, model.score_documents(material.documents, scoring));
    for (const DocumentScore& score : scores) out.units.push_back({score.nll, score.tokens, score.bytes, 0});
  }
  if (out.units.size() != material.size()) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{} scores came back for {} documents", out.units.size(), material.size())};
  }
  const bool finite =
      std::all_of(out.units.begin(), out.units.end(), [](const UnitScore& unit) { return std::isfinite(unit.nll); });
  if (!finite) return Error{ErrorCode::corrupt_file, "the model's scores are not finite numbers"};
  return out;
}

double metric_of(const std::vector<UnitScore>& units, const std::vector<size_t>& draw, Metric metric) {
  double nll = 0, tokens = 0, bytes = 0, correct = 0;
  const size_t n = draw.empty() ? units.size() : draw.size();
  for (size_t i = 0; i < n; ++i) {
    const UnitScore& unit = units[draw.empty() ? i : draw[i]];
    nll += unit.nll;
    tokens += static_cast<double>(unit.tokens);
    bytes += static_cast<double>(unit.bytes);
    correct += unit.correct;
  }
  switch (metric) {
    case Metric::bits_per_byte:
      return bytes > 0 ? nll / std::log(2.0) / bytes : 0;
    case Metric::perplexity:
      return tokens > 0 ? std::exp(nll / tokens) : 0;
    case Metric::accuracy:
      break;
  }
  return n > 0 ? correct / static_cast<double>(n) : 0;
}

QualityCheck check_quality(const QualityScores& scores, const QualityScores& reference, bool is_reference, size_t candidates,
                           const Config& config) {
  const Metric metric = config.task.metric;
  const double risk = 1 - config.quality.confidence;
  // min is asked of every candidate, so its risk is shared as well; without min the value's interval is a plain two-sided one.
  const double value_tail = config.quality.min ? risk / static_cast<double>(std::max<size_t>(candidates, 1)) : risk / 2;
  const double loss_tail = risk / static_cast<double>(std::max<size_t>(candidates, 1));
  const Bootstrap intervals = bootstrap(scores.units, reference.units, metric, value_tail, loss_tail);

  QualityCheck out;
  out.value = measured(metric_of(scores.units, {}, metric));
  out.value.ci = intervals.value;
  out.loss = measured(is_reference ? 0 : relative_loss(*out.value.value, metric_of(reference.units, {}, metric), metric));
  if (!is_reference) out.loss.ci = intervals.loss;
  out.finding = judge(out, config);
  return out;
}

}  // namespace siskin::selector
