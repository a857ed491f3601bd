// The item files of `siskin eval`: parsing them, scoring them in groups so that Ctrl-C keeps the finished ones.
#include "examples/siskin/eval_items.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <utility>

namespace siskin::cli {
namespace {

// Few enough that an interrupted evaluation loses seconds, many enough that a group fills the machine.
constexpr size_t kGroup = 16;

Error bad_line(const std::string& file, size_t index, const std::string& expected) {
  return {ErrorCode::corrupt_file, fmt::format("{}: item {}: expected {}", file, index + 1, expected)};
}

// The first of these keys that holds a string; nullptr where none does.
const std::string* string_at(const nlohmann::json& line, std::initializer_list<const char*> keys) {
  if (!line.is_object()) return nullptr;
  for (const char* key : keys) {
    const auto found = line.find(key);
    if (found != line.end() && found->is_string()) return found->get_ptr<const std::string*>();
  }
  return nullptr;
}

// Index of the right choice from an index or the choice's own text; choices.size() where it is neither.
size_t answer_of(const nlohmann::json& line, const std::vector<std::string>& choices) {
  const auto answer = line.find("answer");
  if (answer == line.end()) return choices.size();
  if (answer->is_number_unsigned()) return std::min<size_t>(answer->get<size_t>(), choices.size());
  if (!answer->is_string()) return choices.size();
  const auto found = std::find(choices.begin(), choices.end(), answer->get<std::string>());
  return static_cast<size_t>(found - choices.begin());
}

// Scores `items` group by group with `score`; stops after a group when interrupted, and fails only when nothing is finished.
template <class Score, class Item, class ScoreGroup>
Result<std::vector<Score>> score_in_groups(const std::vector<Item>& items, const EvalOptions& base,
                                           const ItemProgress& on_progress, const ScoreGroup& score) {
  std::vector<Score> scores;
  for (size_t begin = 0; begin < items.size(); begin += kGroup) {
    const std::span<const Item> group(items.data() + begin, std::min(kGroup, items.size() - begin));
    EvalOptions options = base;
    options.on_progress = [&](size_t done, size_t) { return on_progress(begin + std::min(done, group.size()), items.size()); };
    auto part = score(group, options);
    if (!part) {
      if (part.error().code == ErrorCode::cancelled && !scores.empty()) break;
      return std::move(part).error();
    }
    scores.insert(scores.end(), std::make_move_iterator(part->begin()), std::make_move_iterator(part->end()));
    if (!on_progress(scores.size(), items.size())) break;
  }
  return scores;
}

}  // namespace

Result<std::vector<std::string>> parse_documents(const std::vector<nlohmann::json>& lines, const std::string& file) {
  std::vector<std::string> documents;
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto* text = lines[i].is_string() ? lines[i].get_ptr<const std::string*>() : string_at(lines[i], {"text"});
    if (text == nullptr) return bad_line(file, i, "{\"text\": ...}");
    documents.push_back(*text);
  }
  return documents;
}

Result<std::vector<ChoiceItem>> parse_choices(const std::vector<nlohmann::json>& lines, const std::string& file) {
  std::vector<ChoiceItem> items;
  for (size_t i = 0; i < lines.size(); ++i) {
    ChoiceItem item;
    const auto* prompt = string_at(lines[i], {"prompt", "question", "text"});
    if (prompt == nullptr) return bad_line(file, i, "a string \"prompt\"");
    item.prompt = *prompt;
    const auto choices = lines[i].find("choices");
    if (choices == lines[i].end() || !choices->is_array() || choices->size() < 2)
      return bad_line(file, i, "at least two \"choices\"");
    for (const auto& choice : *choices) {
      if (!choice.is_string()) return bad_line(file, i, "strings as \"choices\"");
      item.choices.push_back(choice.get<std::string>());
    }
    item.answer = answer_of(lines[i], item.choices);
    if (item.answer == item.choices.size()) return bad_line(file, i, "an \"answer\" that is the index or the text of a choice");
    items.push_back(std::move(item));
  }
  return items;
}

Result<nlohmann::ordered_json> documents_document(const std::shared_ptr<const Model>& model,
                                                  const std::vector<std::string>& documents, const EvalOptions& options,
                                                  const std::string& path, const ItemProgress& on_progress) {
  auto scores = score_in_groups<DocumentScore>(documents, options, on_progress,
                                               [&](std::span<const std::string> group, const EvalOptions& group_options) {
                                                 return score_documents(model, group, group_options);
                                               });
  if (!scores) return std::move(scores).error();

  double nll = 0, tokens = 0, bytes = 0;
  auto rows = nlohmann::ordered_json::array();
  for (const DocumentScore& score : *scores) {
    nll += score.nll;
    tokens += static_cast<double>(score.tokens);
    bytes += static_cast<double>(score.bytes);
    rows.push_back({{"nll", score.nll}, {"tokens", score.tokens}, {"bytes", score.bytes}});
  }
  if (tokens == 0 || bytes == 0) return Error{ErrorCode::invalid_argument, "the documents hold no tokens to score"};
  const double mean = nll / tokens;
  const double perplexity = std::exp(mean);
  nlohmann::ordered_json stderr_value;
  if (scores->size() > 1) {
    // Standard error of a ratio of sums over documents (linearised): sqrt(n/(n-1) * sum (nll_d - mean * tokens_d)^2) / tokens.
    double squares = 0;
    for (const DocumentScore& score : *scores) {
      const double residual = score.nll - mean * static_cast<double>(score.tokens);
      squares += residual * residual;
    }
    const auto n = static_cast<double>(scores->size());
    stderr_value = perplexity * std::sqrt(n / (n - 1) * squares) / tokens;
  }
  return nlohmann::ordered_json{{"perplexity", perplexity},
                                {"perplexity_stderr", std::move(stderr_value)},
                                {"bits_per_byte", nll / std::numbers::ln2 / bytes},
                                {"tokens", static_cast<uint64_t>(tokens)},
                                {"bytes", static_cast<uint64_t>(bytes)},
                                {"n", scores->size()},
                                {"path", path},
                                {"items", std::move(rows)}};
}

Result<nlohmann::ordered_json> choices_document(const std::shared_ptr<const Model>& model, const std::vector<ChoiceItem>& items,
                                                const EvalOptions& options, const std::string& path,
                                                const ItemProgress& on_progress) {
  auto scores = score_in_groups<ChoiceScore>(items, options, on_progress,
                                             [&](std::span<const ChoiceItem> group, const EvalOptions& group_options) {
                                               return score_choices(model, group, group_options);
                                             });
  if (!scores) return std::move(scores).error();
  size_t correct = 0;
  auto rows = nlohmann::ordered_json::array();
  for (const ChoiceScore& score : *scores) {
    correct += score.correct ? 1 : 0;
    rows.push_back({{"predicted", score.predicted}, {"correct", score.correct}, {"logprob", score.logprob}});
  }
  const auto n = static_cast<double>(scores->size());
  const double accuracy = static_cast<double>(correct) / n;
  nlohmann::ordered_json stderr_value;
  if (scores->size() > 1) stderr_value = std::sqrt(accuracy * (1 - accuracy) / (n - 1));
  return nlohmann::ordered_json{{"accuracy", accuracy},
                                {"accuracy_stderr", std::move(stderr_value)},
                                {"n", scores->size()},
                                {"path", path},
                                {"items", std::move(rows)}};
}

}  // namespace siskin::cli
