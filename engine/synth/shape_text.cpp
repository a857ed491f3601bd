// The shape file: one `key = value` a line, # starts a comment.
#include <algorithm>
#include <charconv>
#include <set>

#include "engine/synth/shape.h"
#include "formats/try.h"

namespace siskin {
namespace {

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

template <class T>
bool parse_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// False when the value does not fit the key; `known` when the key exists.
bool assign(ModelShape& shape, std::string_view key, std::string_view value, bool& known) {
  const struct {
    std::string_view key;
    size_t* count;
  } counts[] = {{"n_layers", &shape.n_layers},   {"d_model", &shape.d_model},
                {"n_heads", &shape.n_heads},     {"n_kv_heads", &shape.n_kv_heads},
                {"head_dim", &shape.head_dim},   {"d_ff", &shape.d_ff},
                {"n_experts", &shape.n_experts}, {"top_k", &shape.top_k},
                {"n_vocab", &shape.n_vocab},     {"ctx", &shape.ctx},
                {"value_dim", &shape.value_dim}, {"rope_dim", &shape.rope_dim},
                {"kv_rank", &shape.kv_rank},     {"window", &shape.window},
                {"d_expert", &shape.d_expert},   {"n_shared_experts", &shape.n_shared_experts},
                {"n_dense_layers", &shape.n_dense_layers}};
  known = true;
  for (const auto& count : counts) {
    if (key == count.key) return parse_number(value, *count.count);
  }
  if (key == "name" || key == "architecture") {
    (key == "name" ? shape.name : shape.architecture) = value;
    return !value.empty();
  }
  if (key == "rope_theta") return parse_number(value, shape.rope_theta);
  if (key == "norm_eps") return parse_number(value, shape.norm_eps);
  if (key == "tied") {
    shape.tied = value == "1";
    return value == "0" || value == "1";
  }
  known = false;
  return true;
}

}  // namespace

Result<ModelShape> parse_shape_text(std::string_view text, const std::string& name) {
  ModelShape shape;
  std::set<std::string, std::less<>> seen;
  size_t number = 0;
  for (size_t at = 0; at < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    const std::string_view content = trimmed(line.substr(0, line.find('#')));
    if (content.empty()) continue;
    const std::string where = name + ":" + std::to_string(number + 1) + ": ";
    const size_t equals = content.find('=');
    if (equals == std::string_view::npos) {
      return Error{ErrorCode::corrupt_file, where + "expected 'key = value', got '" + std::string(content.substr(0, 40)) + "'"};
    }
    const std::string key(trimmed(content.substr(0, equals)));
    const std::string_view value = trimmed(content.substr(equals + 1));
    bool known = false;
    const bool fits = assign(shape, key, value, known);
    if (!known) return Error{ErrorCode::corrupt_file, where + "unknown key '" + key + "'"};
    if (!fits)
      return Error{ErrorCode::corrupt_file, where + key + ": unusable value '" + std::string(value.substr(0, 40)) + "'"};
    if (!seen.insert(key).second) return Error{ErrorCode::corrupt_file, where + key + ": given twice"};
  }
  complete_shape(shape);
  return shape;
}

}  // namespace siskin
