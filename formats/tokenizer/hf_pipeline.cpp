// The pipeline of a tokenizer.json, put into TextRules. Source: huggingface/tokenizers, src/normalizers and src/pre_tokenizers.
#include "formats/tokenizer/hf_pipeline.h"

#include <string>
#include <utility>

#include "formats/tokenizer/base64.h"
#include "formats/tokenizer/pre_types.h"
#include "formats/try.h"

namespace siskin {
namespace {

Result<std::string> type_of(const JsonView& part) {
  if (!part.is_object()) return part.corrupt("expected an object");
  const auto type = part.member("type");
  if (!type) return part.corrupt("has no type");
  return type->string();
}

// Calls on_part(part, type) -> Status for the part, or for each of `children` if its type is Sequence (one level: none nests).
template <class OnPart>
Status for_each_part(const JsonView& part, const char* children, const OnPart& on_part) {
  SISKIN_TRY(const std::string type, type_of(part));
  if (type != "Sequence") return on_part(part, type);
  const auto list = part.member(children);
  if (!list || !list->is_array()) return part.corrupt(std::string("a Sequence without ") + children);
  for (size_t i = 0; i < list->size(); ++i) {
    const JsonView child = list->element(i);
    SISKIN_TRY(const std::string child_type, type_of(child));
    SISKIN_TRY_STATUS(on_part(child, child_type));
  }
  return {};
}

Status read_replace(const JsonView& part, std::vector<TextStep>& steps) {
  const auto pattern = part.member("pattern");
  if (!pattern) return part.corrupt("a Replace without pattern");
  SISKIN_TRY(std::string content, part.string_or("content", ""));
  SISKIN_TRY(std::string literal, pattern->string_or("String", ""));
  if (!literal.empty()) {
    steps.emplace_back(ReplaceStep{std::move(literal), std::move(content)});
    return {};
  }
  SISKIN_TRY(const std::string regex, pattern->string_or("Regex", ""));
  if (regex.empty()) return pattern->corrupt("expected a String or a Regex that is not empty");
  if (regex != " {2,}") return pattern->unsupported("the regular expression \"" + regex + "\"");
  steps.emplace_back(CollapseStep{" ", std::move(content)});
  return {};
}

Status read_normalizer_part(const JsonView& part, const std::string& type, std::vector<TextStep>& steps) {
  if (type == "Prepend") {
    SISKIN_TRY(std::string text, part.string_or("prepend", ""));
    steps.emplace_back(PrependStep{std::move(text), PrefixAt::every_fragment, false});
    return {};
  }
  if (type == "Replace") return read_replace(part, steps);
  if (type == "Strip") {
    SISKIN_TRY(const bool left, part.boolean_or("strip_left", true));
    SISKIN_TRY(const bool right, part.boolean_or("strip_right", true));
    steps.emplace_back(StripStep{left, right});
    return {};
  }
  if (type == "NFC") {
    steps.emplace_back(ComposeStep{});
    return {};
  }
  if (type == "Precompiled") {
    SISKIN_TRY(const std::string encoded, part.string_or("precompiled_charsmap", ""));
    if (encoded.empty()) return {};
    const auto blob = decode_base64(encoded);
    if (!blob) return part.corrupt("precompiled_charsmap is not base64");
    SISKIN_TRY(Charsmap map, Charsmap::parse(*blob));
    steps.emplace_back(std::move(map));
    return {};
  }
  return part.unsupported("the normalizer " + type);
}

// Metaspace writes spaces as a mark, puts one in front and starts a word at each.
Status read_metaspace(const JsonView& part, bool words_joined, TextRules& rules) {
  SISKIN_TRY(const std::string mark, part.string_or("replacement", std::string(kSpaceMark)));
  if (mark != kSpaceMark) return part.unsupported("the space mark \"" + mark + "\"");
  SISKIN_TRY(const bool add_prefix, part.boolean_or("add_prefix_space", true));
  SISKIN_TRY(const std::string scheme, part.string_or("prepend_scheme", add_prefix ? "always" : "never"));
  SISKIN_TRY(rules.split_words, part.boolean_or("split", true));
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    return part.corrupt("prepend_scheme is \"" + scheme + "\", expected always, first or never");
  }
  if (words_joined && (scheme != "always" || !rules.split_words)) {
    return part.unsupported("WhitespaceSplit before a Metaspace that does not mark every word");
  }
  rules.steps.emplace_back(ReplaceStep{" ", mark});
  if (scheme != "never") {
    rules.steps.emplace_back(PrependStep{mark, scheme == "first" ? PrefixAt::text_start : PrefixAt::every_fragment, true});
  }
  return {};
}

// A Split cuts text at its matches and keeps them. Nothing else is built: no published byte-level model needs it.
Status read_split(const JsonView& part, std::vector<std::string>& patterns) {
  SISKIN_TRY(const std::string behavior, part.string_or("behavior", "Isolated"));
  SISKIN_TRY(const bool invert, part.boolean_or("invert", false));
  const auto pattern = part.member("pattern");
  if (!pattern) return part.corrupt("a Split without pattern");
  SISKIN_TRY(std::string regex, pattern->string_or("Regex", ""));
  if (behavior != "Isolated" || invert || regex.empty()) return part.unsupported("a Split that is not an Isolated Regex");
  patterns.push_back(std::move(regex));
  return {};
}

Status read_byte_level(const JsonView& part, TokenizerSpec& spec) {
  spec.written = PieceText::bytes;
  SISKIN_TRY(const bool add_prefix, part.boolean_or("add_prefix_space", true));
  SISKIN_TRY(const bool use_regex, part.boolean_or("use_regex", true));
  if (add_prefix && !spec.split_patterns.empty()) return part.unsupported("a ByteLevel that puts a space before every word");
  if (add_prefix) spec.rules.steps.emplace_back(PrependStep{" ", PrefixAt::every_fragment, true});
  if (use_regex) spec.split_patterns.push_back(find_pre_type("gpt-2")->patterns.front());
  return {};
}

Status read_pre_tokenizer(const JsonView& part, TokenizerSpec& spec) {
  TextRules& rules = spec.rules;
  bool words_joined = false;
  bool marked = false;
  return for_each_part(part, "pretokenizers", [&](const JsonView& child, const std::string& type) -> Status {
    if (type == "WhitespaceSplit" && !words_joined && !marked) {
      words_joined = true;
      rules.steps.emplace_back(JoinWordsStep{});
      return {};
    }
    if (type == "Metaspace" && !marked) {
      marked = true;
      return read_metaspace(child, words_joined, rules);
    }
    if (type == "ByteLevel" && !marked) return read_byte_level(child, spec);
    if (type == "Split") return read_split(child, spec.split_patterns);
    if (type == "Digits") {
      SISKIN_TRY(const bool individual, child.boolean_or("individual_digits", false));
      spec.split_patterns.emplace_back(individual ? R"(\p{N})" : R"(\p{N}+)");
      return {};
    }
    return child.unsupported("the pre-tokenizer " + type);
  });
}

Status read_decoder(const JsonView& part, TokenizerSpec& spec) {
  spec.drop_first_space = false;
  return for_each_part(part, "decoders", [&](const JsonView& child, const std::string& type) -> Status {
    if (type == "Metaspace") {
      SISKIN_TRY(const bool add_prefix, child.boolean_or("add_prefix_space", true));
      SISKIN_TRY(const std::string scheme, child.string_or("prepend_scheme", add_prefix ? "always" : "never"));
      spec.drop_first_space = scheme != "never";
      return {};
    }
    if (type == "Strip") {
      const auto start = child.member("start");
      SISKIN_TRY(const std::string content, child.string_or("content", " "));
      spec.drop_first_space = content == " " && start && start->is_integer() && start->json() >= 1;
      return {};
    }
    if (type == "Replace" || type == "ByteFallback" || type == "Fuse" || type == "ByteLevel") return {};
    return child.unsupported("the decoder " + type);
  });
}

// The ids of one special token of a template.
Result<TokenId> template_token(const JsonView& processor, const JsonView& item) {
  const auto name = item.member("id");
  if (!name) return item.corrupt("a special token without id");
  SISKIN_TRY(const std::string text, name->string());
  const auto tokens = processor.member("special_tokens");
  const auto token = tokens ? tokens->member(text.c_str()) : std::nullopt;
  const auto ids = token ? token->member("ids") : std::nullopt;
  if (!ids || !ids->is_array() || ids->size() != 1) {
    return processor.corrupt("the special token \"" + text + "\" does not have one id");
  }
  return ids->element(0).id();
}

Status read_template(const JsonView& processor, TokenizerSpec& spec) {
  const auto single = processor.member("single");
  if (!single || !single->is_array()) return processor.corrupt("a TemplateProcessing without single");
  bool behind_text = false;
  for (size_t i = 0; i < single->size(); ++i) {
    const JsonView item = single->element(i);
    if (item.member("Sequence")) {
      behind_text = true;
      continue;
    }
    const auto special = item.member("SpecialToken");
    if (!special) return item.corrupt("expected a Sequence or a SpecialToken");
    bool& added = behind_text ? spec.add_eos : spec.add_bos;
    if (added) return item.unsupported("a template with more than one token on one side");
    added = true;
    SISKIN_TRY((behind_text ? spec.eos : spec.bos), template_token(processor, *special));
  }
  return {};
}

// {"cls": ["<s>", 0], "sep": ["</s>", 2]}
Result<TokenId> named_id(const JsonView& processor, const char* key) {
  const auto pair = processor.member(key);
  if (!pair || !pair->is_array() || pair->size() != 2) return processor.corrupt(std::string("expected ") + key);
  return pair->element(1).id();
}

}  // namespace

Status read_text_pipeline(const JsonView& root, TokenizerSpec& spec) {
  std::vector<TextStep>& steps = spec.rules.steps;
  if (const auto normalizer = root.member("normalizer")) {
    SISKIN_TRY_STATUS(for_each_part(*normalizer, "normalizers", [&](const JsonView& part, const std::string& type) {
      return read_normalizer_part(part, type, steps);
    }));
  }
  if (const auto pre_tokenizer = root.member("pre_tokenizer")) {
    SISKIN_TRY_STATUS(read_pre_tokenizer(*pre_tokenizer, spec));
    if (!spec.split_patterns.empty() && spec.written != PieceText::bytes) {
      return pre_tokenizer->unsupported("a Split without ByteLevel behind it");
    }
  }
  spec.drop_first_space = false;
  for (const TextStep& step : steps) {
    if (std::holds_alternative<PrependStep>(step)) spec.drop_first_space = true;
  }
  if (const auto decoder = root.member("decoder")) SISKIN_TRY_STATUS(read_decoder(*decoder, spec));
  return {};
}

Result<bool> read_post_processor(const JsonView& root, TokenizerSpec& spec) {
  const auto processor = root.member("post_processor");
  if (!processor) return false;
  SISKIN_TRY_STATUS(for_each_part(*processor, "processors", [&](const JsonView& part, const std::string& type) -> Status {
    if (type == "TemplateProcessing") return read_template(part, spec);
    if (type == "ByteLevel") return {};  // it trims offsets, not ids
    if (type != "BertProcessing" && type != "RobertaProcessing") return part.unsupported("the post-processor " + type);
    SISKIN_TRY(spec.bos, named_id(part, "cls"));
    SISKIN_TRY(spec.eos, named_id(part, "sep"));
    spec.add_bos = true;
    spec.add_eos = true;
    return {};
  }));
  return true;
}

}  // namespace siskin
