// Held-out material: documents cut from a text at blank lines, and multiple-choice items from JSON lines.
#pragma once

#include <siskin/eval.h>
#include <siskin/result.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace siskin::selector {

// Paragraphs (between blank lines) are joined until a document holds at least `bytes`. What is left over joins the last one.
std::vector<std::string> split_documents(std::string_view text, size_t bytes = 1000);

// At most n elements' indices, evenly spread over `total`, so that every part of the text is represented.
std::vector<size_t> spread_indices(size_t total, size_t n);

Result<std::string> read_text(const std::filesystem::path& file);
// {"prompt": "...", "choices": ["...", ...], "answer": 0} a line. Errors name the line.
Result<std::vector<ChoiceItem>> read_items(const std::filesystem::path& file);

}  // namespace siskin::selector
