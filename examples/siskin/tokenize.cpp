// siskin tokenize: text to token ids and pieces, and back.
#include <fmt/format.h>
#include <siskin/model.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "examples/siskin/cli/command_line.h"
#include "examples/siskin/cli/drive.h"
#include "examples/siskin/commands.h"

namespace siskin::cli {
namespace {

// Ids separated by blanks, commas or brackets, so that the `ids` of --json can be pasted back.
Result<std::vector<TokenId>> parse_ids(const std::string& text, size_t n_vocab) {
  constexpr const char* kSeparators = " \t\r\n,[]";
  std::vector<TokenId> ids;
  for (size_t begin = text.find_first_not_of(kSeparators); begin != std::string::npos;) {
    const size_t end = std::min(text.find_first_of(kSeparators, begin), text.size());
    TokenId id = 0;
    const auto [rest, error] = std::from_chars(text.data() + begin, text.data() + end, id);
    if (error != std::errc{} || rest != text.data() + end || id < 0 || static_cast<size_t>(id) >= n_vocab)
      return Error{ErrorCode::invalid_argument, fmt::format("--decode: '{}', expected a token id from 0 to {}",
                                                            text.substr(begin, end - begin), n_vocab - 1)};
    ids.push_back(id);
    begin = text.find_first_not_of(kSeparators, end);
  }
  return ids;
}

}  // namespace

int tokenize_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "tokenize", "The token ids of a text, or with --decode the text of token ids");
  std::string text, file;
  std::vector<std::string> words;
  bool decode = false, no_bos = false;
  line.with_model();
  CLI::App& app = line.app();
  app.add_option("IDS", words, "With --decode: the token ids");
  auto* prompt = app.add_option("-p,--prompt", text, "The text; with --decode the ids, separated by blanks or commas");
  prompt->type_name("TEXT");
  app.add_option("-f,--file", file, "A file that holds it; - is stdin")->excludes(prompt)->type_name("FILE");
  app.add_flag("--decode", decode, "From ids to text");
  app.add_flag("--no-bos", no_bos, "Without the model's start token");
  line.with_json();
  if (const auto status = line.parse(argc, argv)) return *status;
  if (!decode && !words.empty()) return line.misuse(fmt::format("'{}' was not expected; a text is given with -p", words[0]));
  if (words.empty() && file.empty() && prompt->count() == 0)
    return line.misuse(decode ? "ids are needed: as arguments, -p IDS or -f FILE" : "a text is needed: -p TEXT or -f FILE");

  const auto tokenizer = TokenizerHandle::load(line.flags.model);
  if (!tokenizer) return line.fail(tokenizer.error());
  if (!file.empty()) {
    auto content = read_text(file);
    if (!content) return line.fail(content.error());
    text = *std::move(content);
  }
  std::vector<TokenId> ids;
  if (decode) {
    for (const std::string& word : words) text += " " + word;
    auto parsed = parse_ids(text, tokenizer->size());
    if (!parsed) return line.fail(parsed.error());
    ids = *std::move(parsed);
    text = tokenizer->decode(ids);
  } else {
    ids = tokenizer->encode(text, !no_bos);
  }

  std::vector<std::string> pieces;
  pieces.reserve(ids.size());
  for (const TokenId id : ids) pieces.push_back(tokenizer->piece(id));
  if (line.flags.json) return line.print_json({{"ids", ids}, {"pieces", pieces}, {"text", text}});
  if (decode) {
    fmt::print("{}\n", text);
  } else {
    for (size_t i = 0; i < ids.size(); ++i)
      fmt::print("{:>7}  {}\n", ids[i],
                 nlohmann::json(pieces[i]).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  return line.finish_stdout();
}

}  // namespace siskin::cli
