// Reading and cutting of held-out texts and items.
#include "selector/documents.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "selector/try.h"

namespace siskin::selector {
namespace {

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

}  // namespace

std::vector<std::string> split_documents(std::string_view text, size_t bytes) {
  std::vector<std::string> documents;
  std::string current;
  bool blank_before = false;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (is_blank(line)) {
      blank_before = !current.empty();
      continue;
    }
    if (blank_before && current.size() >= bytes) {
      documents.push_back(std::move(current));
      current.clear();
      blank_before = false;
    }
    if (!current.empty()) current += blank_before ? "\n\n" : "\n";
    blank_before = false;
    current += line;
  }
  if (current.empty()) return documents;
  if (current.size() < bytes / 2 && !documents.empty()) {
    documents.back() += "\n\n" + current;
  } else {
    documents.push_back(std::move(current));
  }
  return documents;
}

std::vector<size_t> spread_indices(size_t total, size_t n) {
  std::vector<size_t> out;
  const size_t taken = std::min(total, n);
  for (size_t i = 0; i < taken; ++i) out.push_back(i * total / taken);
  return out;
}

Result<std::string> read_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error{ErrorCode::not_found, fmt::format("{}: no such file", file.string())};
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

Result<std::vector<ChoiceItem>> read_items(const std::filesystem::path& file) {
  SISKIN_TRY(const std::string text, read_text(file));
  std::vector<ChoiceItem> items;
  size_t line_number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    ++line_number;
    if (is_blank(line)) continue;
    const auto json = nlohmann::json::parse(line, nullptr, false);
    const auto wrong = [&](std::string_view what) {
      return Error{ErrorCode::invalid_argument, fmt::format("{}:{}: {}", file.string(), line_number, what)};
    };
    if (!json.is_object() || !json.contains("prompt") || !json["prompt"].is_string())
      return wrong("expected an object with a text `prompt`");
    if (!json.contains("choices") || !json["choices"].is_array() || json["choices"].size() < 2)
      return wrong("`choices`: expected two texts or more");
    ChoiceItem item;
    item.prompt = json["prompt"].get<std::string>();
    for (const auto& choice : json["choices"]) {
      if (!choice.is_string()) return wrong("`choices`: expected texts");
      item.choices.push_back(choice.get<std::string>());
    }
    if (!json.contains("answer") || !json["answer"].is_number_unsigned() ||
        json["answer"].get<size_t>() >= item.choices.size()) {
      return wrong("`answer`: expected the index of a choice");
    }
    item.answer = json["answer"].get<size_t>();
    items.push_back(std::move(item));
  }
  if (items.empty()) return Error{ErrorCode::invalid_argument, fmt::format("{}: holds no items", file.string())};
  return items;
}

}  // namespace siskin::selector
