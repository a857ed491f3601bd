// The patterns are those of the models' tokenizer.json, or llama.cpp's (src/llama-vocab.cpp) where it spells the same language
// otherwise for lack of lookahead or of case folding; llama.cpp approximates a few (gpt-4o, tekken) for letters outside ASCII.
#include "formats/tokenizer/pre_types.h"

#include <utf8proc.h>

#include <algorithm>
#include <map>

namespace siskin {
namespace {

constexpr const char* kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kDeepseek3Words =
    R"re([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr const char* kCjk = R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)";
constexpr const char* kDeepseekCjk = R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";
constexpr const char* kDeepseekLetters =
    R"(\s?[A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF})"
    R"(\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5})"
    R"(\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD})"
    R"(\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15})"
    R"(\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D})"
    R"(\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB})"
    R"(\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D})"
    R"(\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E})"
    R"(\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D})"
    R"(\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06})"
    R"(\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB})"
    R"(\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}]+)";
constexpr const char* kDeepseekMarks = R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)";
constexpr const char* kBloom = R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{964}\x{6D4}\x{60C})]+)";

const std::map<std::string_view, PreType>& types() {
  static const std::map<std::string_view, PreType> made = [] {
    const std::string contractions = R"((?i:'s|'t|'re|'ve|'m|'ll|'d))";
    const std::string lines_and_spaces = R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
    const std::string tail = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*)" + lines_and_spaces;
    const std::string tail_with_slash = R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*)" + lines_and_spaces;
    const std::string cased = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)";
    const std::string upper = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)";
    const std::string by_three = contractions + R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})" + tail;

    const PreType gpt2{{kGpt2}};
    const PreType llama3{{by_three}, true, true};
    const PreType by_three_alone{{by_three}};
    const PreType qwen2{{contractions + R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})" + tail}};
    const PreType qwen35{
        {contractions + R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)" + lines_and_spaces}};
    const PreType gpt4o{{cased + contractions + "?|" + upper + contractions + R"(?|\p{N}{1,3})" + tail_with_slash}};
    const PreType tekken{{cased + "|" + upper + R"(|\p{N})" + tail_with_slash}, true, true};
    const PreType seed{{contractions + R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+)" + lines_and_spaces}};
    const PreType unnamed{{R"([\p{P}\$\+<=>\^~\|]+)", kGpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"}};
    const PreType starcoder{{R"(\p{N})", kGpt2}};
    const PreType deepseek3{{R"(\p{N}{1,3})", kCjk, kDeepseek3Words}};
    const PreType bloom{{kBloom}};
    const PreType bailing{
        {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"}};
    return std::map<std::string_view, PreType>{
        {"", unnamed},
        {"default", unnamed},
        {"gpt-2", gpt2},
        {"phi-2", gpt2},
        {"mpt", gpt2},
        {"olmo", gpt2},
        {"jais", gpt2},
        {"exaone4", gpt2},
        {"mellum", gpt2},
        {"gigachat", gpt2},
        {"a.x-4.0", gpt2},
        {"trillion", gpt2},
        {"granite-docling", gpt2},
        {"modern-bert", gpt2},
        {"llama-bpe", llama3},
        {"llama3", llama3},
        {"llama-v3", llama3},
        {"falcon3", llama3},
        {"falcon-h1", llama3},
        {"pixtral", llama3},
        {"midm-2.0", llama3},
        {"lfm2", llama3},
        {"dbrx", by_three_alone},
        {"smaug-bpe", by_three_alone},
        {"glm4", by_three_alone},
        {"chatglm-bpe", by_three_alone},
        {"qwen2", qwen2},
        {"deepseek-r1-qwen", qwen2},
        {"kormo", qwen2},
        {"megrez", qwen2},
        {"stablelm2", qwen2},
        {"hunyuan", qwen2},
        {"solar-open", qwen2},
        {"grok-2", qwen2},
        {"qwen35", qwen35},
        {"deepseek-llm", {{"[\r\n]", kDeepseekLetters, kDeepseekMarks, R"(\s+$)", kDeepseekCjk, R"(\p{N}+)"}}},
        {"deepseek-coder", {{"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepseekCjk, R"(\p{N})"}}},
        {"deepseek-v3", deepseek3},
        {"hunyuan-dense", deepseek3},
        {"joyai-llm", deepseek3},
        {"falcon", {{R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2, "[0-9][0-9][0-9]"}}},
        {"starcoder", starcoder},
        {"refact", starcoder},
        {"command-r", starcoder},
        {"smollm", starcoder},
        {"codeshell", starcoder},
        {"exaone", starcoder},
        {"minerva-7b", starcoder},
        {"mellum2", starcoder},
        {"gpt-4o", gpt4o},
        {"llama4", gpt4o},
        {"kanana2", gpt4o},
        {"minimax-m2", gpt4o},
        {"tekken", tekken},
        {"poro-chat", bloom},
        {"bloom", bloom},
        {"gpt3-finnish", bloom},
        {"viking", {{kBloom, R"(\p{N})"}}},
        {"bailingmoe", bailing},
        {"bailingmoe2", bailing},
        {"llada-moe", bailing},
        {"seed-coder", seed},
    };
  }();
  return made;
}

// Characters for their escapes: files write either.
std::string without_escapes(const std::string& pattern) {
  std::string out;
  for (size_t at = 0; at < pattern.size();) {
    const size_t end = pattern.compare(at, 3, "\\x{") == 0 ? pattern.find('}', at) : std::string::npos;
    if (end == std::string::npos) {
      out += pattern[at++];
      continue;
    }
    utf8proc_uint8_t bytes[4];
    const auto c = static_cast<utf8proc_int32_t>(std::stoul(pattern.substr(at + 3, end - at - 3), nullptr, 16));
    out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(utf8proc_encode_char(c, bytes)));
    at = end + 1;
  }
  return out;
}

}  // namespace

const PreType* find_pre_type(std::string_view name) {
  const auto it = types().find(name);
  return it == types().end() ? nullptr : &it->second;
}

std::string_view name_of_patterns(const std::vector<std::string>& patterns, bool ignore_merges) {
  for (const char* name : {"gpt-2", "llama-bpe", "qwen2", "deepseek-llm", "deepseek-coder", "deepseek-v3", "starcoder",
                           "gpt-4o", "tekken", "dbrx", "qwen35"}) {
    const PreType& type = *find_pre_type(name);
    const auto same = [](const std::string& ours, const std::string& theirs) { return without_escapes(ours) == theirs; };
    if (type.ignore_merges == ignore_merges &&
        std::equal(type.patterns.begin(), type.patterns.end(), patterns.begin(), patterns.end(), same)) {
      return name;
    }
  }
  return {};
}

}  // namespace siskin
