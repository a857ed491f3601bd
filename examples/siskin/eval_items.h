// The item files of `siskin eval`: parsing them, scoring them in groups so that Ctrl-C keeps the finished ones.
#pragma once

#include <siskin/eval.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace siskin::cli {

using ItemProgress = std::function<bool(size_t done, size_t total)>;

// {"text": "..."} or a plain JSON string per line.
Result<std::vector<std::string>> parse_documents(const std::vector<nlohmann::json>& lines, const std::string& file);
// {"prompt" or "question": "...", "choices": ["...", ...], "answer": index or text of the choice} per line.
Result<std::vector<ChoiceItem>> parse_choices(const std::vector<nlohmann::json>& lines, const std::string& file);

// perplexity, bits_per_byte and their parts. The standard error takes documents, not tokens, as what was drawn.
Result<nlohmann::ordered_json> documents_document(const std::shared_ptr<const Model>& model,
                                                  const std::vector<std::string>& documents, const EvalOptions& options,
                                                  const std::string& path, const ItemProgress& on_progress);
// accuracy and its standard error.
Result<nlohmann::ordered_json> choices_document(const std::shared_ptr<const Model>& model, const std::vector<ChoiceItem>& items,
                                                const EvalOptions& options, const std::string& path,
                                                const ItemProgress& on_progress);

}  // namespace siskin::cli
