// Model files that lie, tried: loading and running one gives an error of one line or an answer.
#pragma once

#include <siskin/session.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "tests/engine/tools_data.h"

namespace siskin::test {

enum class Outcome { refused, ran };

// Loads the file and generates a few tokens, greedily and by chance. Whatever comes out are ids of the vocabulary.
inline Outcome try_file(const std::filesystem::path& path, const std::string& isa = {}) {
  LoadOptions load;
  load.threads = 1;
  load.isa = isa;
  load.ctx = 32;
  const auto model = Model::load(path, load);
  REQUIRE(static_cast<bool>(Model::inspect(path, 32)) == static_cast<bool>(model));
  if (!model) {
    REQUIRE_FALSE(model.error().message.empty());
    REQUIRE(model.error().message.find('\n') == std::string::npos);
    return Outcome::refused;
  }
  SessionOptions options;
  options.threads = 2;
  options.ctx = 32;
  options.batch = 8;
  const auto session = Session::create(*model, options);
  REQUIRE(session);
  const auto n_vocab = static_cast<TokenId>((*model)->info().n_vocab);
  for (const float temperature : {0.0f, 0.8f}) {
    Request request;
    request.tokens.assign(12, n_vocab - 1);
    request.tokens[0] = 0;
    request.max_new_tokens = 3;
    request.ignore_eos = true;
    request.sampling.temperature = temperature;
    request.sampling.repeat_penalty = 1.1f;
    const auto completion = (*session)->generate(request);
    REQUIRE(completion);
    for (const TokenId id : completion->ids) REQUIRE((id >= 0 && id < n_vocab));
  }
  return Outcome::ran;
}

inline Outcome try_bytes(const tools_test::TempFolder& folder, const std::string& bytes) {
  std::ofstream(folder / "model.gguf", std::ios::binary) << bytes;
  return try_file(folder / "model.gguf");
}

using Edit = std::function<void(Metadata&, std::vector<GgufTensorSource>&)>;

// Writes the model anew with other metadata or other tensors.
inline Outcome try_edit(const tools_test::TempFolder& folder, const std::string& bytes, const Edit& edit) {
  auto contents = parse_gguf(std::as_bytes(std::span(bytes)), "tiny");
  REQUIRE(contents);
  std::vector<GgufTensorSource> sources;
  for (const TensorView& view : contents->tensors) {
    const auto copy = [&view](size_t slice, std::span<std::byte> out) -> Status {
      std::memcpy(out.data(), view.slices[slice], out.size());
      return {};
    };
    sources.push_back({view.name, view.type, view.shape, view.slices.size(), view.slice_bytes, copy});
  }
  edit(contents->metadata, sources);
  REQUIRE(write_gguf(folder / "model.gguf", contents->metadata, sources));
  return try_file(folder / "model.gguf");
}

}  // namespace siskin::test
