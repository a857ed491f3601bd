// What the tokenizer tests share: where test data lies, tokenizers from GGUF files, small vocabularies, a protobuf writer.
#pragma once

#include <unistd.h>

#include <bit>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"
#include "formats/tokenizer/tokenizer.h"
#include "tests/places.h"

namespace siskin::tokenizer_tests {

inline const std::string kMark = "\xE2\x96\x81";

// The path of a test file, or nothing, with a line that says so.
inline std::optional<std::filesystem::path> test_data(const std::string& relative) {
  const std::filesystem::path path = places::test_data() / relative;
  if (std::filesystem::exists(path)) return path;
  std::cout << "skipped: " << path.string() << " is not there\n";
  return std::nullopt;
}

inline std::string file_bytes(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  REQUIRE(stream);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream stream(path, std::ios::binary);
  stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(stream);
}

inline Tokenizer must(Result<Tokenizer> tokenizer) {
  if (!tokenizer) FAIL(tokenizer.error().message);
  return *std::move(tokenizer);
}

inline Tokenizer tokenizer_of_gguf(const std::filesystem::path& path) {
  const std::string bytes = file_bytes(path);
  const auto contents = parse_gguf(std::as_bytes(std::span(bytes)), path.filename().string());
  if (!contents) FAIL(contents.error().message);
  return must(Tokenizer::from_metadata(contents->metadata));
}

// A folder of its own, removed at the end.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "siskin-tokenizer-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  void add(const std::string& name, std::string_view bytes) const { write_file(path_ / name, bytes); }

 private:
  std::filesystem::path path_;
};

struct TestPiece {
  std::string text;
  double score = 0;
  int64_t type = 1;
};

// <unk>, <s>, </s>, then the 256 byte pieces if asked for, then the given ones.
inline std::vector<TestPiece> pieces_with(const std::vector<TestPiece>& own, bool bytes) {
  std::vector<TestPiece> pieces{{"<unk>", 0, 2}, {"<s>", 0, 3}, {"</s>", 0, 3}};
  for (int byte = 0; bytes && byte < 256; ++byte) {
    constexpr const char* kHex = "0123456789ABCDEF";
    pieces.push_back({std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">", 0, 6});
  }
  pieces.insert(pieces.end(), own.begin(), own.end());
  return pieces;
}

inline Metadata metadata_of(const std::vector<TestPiece>& pieces, const std::string& model = "llama") {
  std::vector<std::string> tokens;
  std::vector<double> scores;
  std::vector<int64_t> types;
  for (const TestPiece& piece : pieces) {
    tokens.push_back(piece.text);
    scores.push_back(piece.score);
    types.push_back(piece.type);
  }
  Metadata metadata;
  metadata.set("tokenizer.ggml.model", model);
  metadata.set("tokenizer.ggml.tokens", tokens);
  metadata.set("tokenizer.ggml.scores", scores);
  metadata.set("tokenizer.ggml.token_type", types);
  metadata.set("tokenizer.ggml.bos_token_id", uint64_t{1});
  metadata.set("tokenizer.ggml.eos_token_id", uint64_t{2});
  metadata.set("tokenizer.ggml.unknown_token_id", uint64_t{0});
  metadata.set("tokenizer.ggml.add_eos_token", false);
  return metadata;
}

// Writes protobuf fields.
class Proto {
 public:
  Proto& varint(uint32_t field, uint64_t value) {
    number(field << 3);
    number(value);
    return *this;
  }
  Proto& float32(uint32_t field, float value) {
    number(field << 3 | 5U);
    const auto bits = std::bit_cast<uint32_t>(value);
    for (unsigned shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>(bits >> shift & 0xFFU);
    return *this;
  }
  Proto& bytes(uint32_t field, std::string_view value) {
    number(field << 3 | 2U);
    number(value.size());
    bytes_ += value;
    return *this;
  }
  const std::string& str() const { return bytes_; }

 private:
  void number(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7FU) | 0x80U);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

// ModelProto.pieces
inline std::string proto_pieces(const std::vector<TestPiece>& pieces) {
  Proto model;
  for (const TestPiece& piece : pieces) {
    Proto entry;
    entry.bytes(1, piece.text).float32(2, static_cast<float>(piece.score)).varint(3, static_cast<uint64_t>(piece.type));
    model.bytes(1, entry.str());
  }
  return model.str();
}

}  // namespace siskin::tokenizer_tests
