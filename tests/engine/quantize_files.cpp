// quantize_model on real files: values against the reference codec, Hugging Face against GGUF byte for byte.
#include <siskin/quantize.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "formats/blocks/codec.h"
#include "formats/gguf.h"
#include "formats/model_file.h"
#include "tests/engine/tools_data.h"

using namespace siskin;
using tools_test::data;
using tools_test::TempFolder;

namespace {

std::string bytes_of(const TensorView& tensor) {
  std::string all;
  for (const std::byte* slice : tensor.slices) all.append(reinterpret_cast<const char*>(slice), tensor.slice_bytes);
  return all;
}

// What the reference codec makes of a tensor in another type.
std::string encoded(const TensorView& tensor, DType type) {
  const std::string source = bytes_of(tensor);
  const size_t cols = tensor.cols();
  const size_t rows = tensor.elements() / cols;
  std::string result(rows * row_bytes(type, cols), '\0');
  std::vector<float> values(cols);
  for (size_t r = 0; r < rows; ++r) {
    decode_row(tensor.type, source.data() + r * row_bytes(tensor.type, cols), values.data(), cols);
    encode_row(type, values.data(), result.data() + r * row_bytes(type, cols), cols);
  }
  return result;
}

QuantizeOptions to_type(const char* type, unsigned threads = 2) {
  QuantizeOptions options;
  options.type = type;
  options.threads = threads;
  return options;
}

void check_rewritten(const std::filesystem::path& in, const std::filesystem::path& out, DType type) {
  const auto source = ModelFile::open(in);
  const auto result = ModelFile::open(out);
  REQUIRE(source);
  REQUIRE(result);
  REQUIRE(result->tensors().size() == source->tensors().size());
  for (const TensorView& tensor : source->tensors()) {
    INFO(tensor.name);
    const TensorView* written = result->find(tensor.name);
    REQUIRE(written != nullptr);
    CHECK(written->shape == tensor.shape);
    const bool matrix = tensor.shape.size() > 1 && tensor.name.find("ffn_gate_inp") == std::string::npos;
    CHECK(written->type == (matrix ? type : DType::F32));
    CHECK(bytes_of(*written) == encoded(tensor, written->type));
  }
  for (const auto& [key, value] : source->metadata().all()) {
    INFO(key);
    const MetaValue* kept = result->metadata().find(key);
    REQUIRE(kept != nullptr);
    if (key != "general.file_type") CHECK(*kept == value);
  }
}

}  // namespace

TEST_CASE("a dense model in Q8_0 and Q4_0 holds the reference encoding of its F16 values", "[quantize]") {
  const auto in = data("models/zoo/dense-m-f16.gguf");
  SISKIN_SKIP_WITHOUT(in);
  const TempFolder folder;
  const auto out = folder / "out.gguf";

  const auto q8 = quantize_model(in, out, to_type("q8_0"));
  REQUIRE(q8);
  check_rewritten(in, out, DType::Q8_0);
  CHECK(ModelFile::open(out)->metadata().u64_or("general.file_type", 0).operator*() == 7);
  CHECK(q8->types.at("q8_0") == 29);
  CHECK(q8->types.at("f32") == 9);
  CHECK(q8->fallbacks.empty());
  CHECK(q8->bits_per_weight == Approx(8.5).epsilon(0.01));
  CHECK(q8->bytes == std::filesystem::file_size(out));

  REQUIRE(quantize_model(in, out, to_type("q4_0")));
  check_rewritten(in, out, DType::Q4_0);
}

TEST_CASE("a mixture keeps its router in F32 and its experts apart", "[quantize]") {
  const auto in = data("models/zoo/moe-8x-f16.gguf");
  SISKIN_SKIP_WITHOUT(in);
  const TempFolder folder;
  REQUIRE(quantize_model(in, folder / "out.gguf", to_type("q4_0")));
  check_rewritten(in, folder / "out.gguf", DType::Q4_0);
}

TEST_CASE("a Hugging Face folder becomes the same GGUF as its own converter made, byte for byte", "[quantize]") {
  const auto [folder_name, gguf_name] = GENERATE(table<const char*, const char*>(
      {{"models/zoo/dense-m", "models/zoo/dense-m-f16.gguf"}, {"models/zoo/moe-8x", "models/zoo/moe-8x-f16.gguf"}}));
  const auto in = data(folder_name);
  SISKIN_SKIP_WITHOUT(in);
  const TempFolder folder;
  const auto report = quantize_model(in, folder / "out.gguf", to_type("f16"));
  if (!report) FAIL(report.error().message);
  const auto ours = ModelFile::open(folder / "out.gguf");
  const auto theirs = ModelFile::open(data(gguf_name));
  REQUIRE(ours);
  REQUIRE(theirs);
  CHECK(ours->tensors().size() == theirs->tensors().size());
  for (const TensorView& expected : theirs->tensors()) {
    INFO(expected.name);
    const TensorView* got = ours->find(expected.name);
    REQUIRE(got != nullptr);
    CHECK(got->type == expected.type);
    CHECK(got->shape == expected.shape);
    CHECK(bytes_of(*got) == bytes_of(expected));
  }
  for (const auto& [key, value] : theirs->metadata().all()) {
    if (key == "general.name" || key == "general.description") continue;  // the folder does not say
    INFO(key);
    const MetaValue* got = ours->metadata().find(key);
    REQUIRE(got != nullptr);
    CHECK(*got == value);
  }
}

TEST_CASE("DBRX keeps q, k and v as one matrix, from a folder and from a file", "[quantize]") {
  const auto in = places::golden() / "families/dbrx";
  const auto source = ModelFile::open(in);
  REQUIRE(source);
  const TempFolder folder;
  REQUIRE(quantize_model(in, folder / "f16.gguf", to_type("f16")));
  REQUIRE(quantize_model(folder / "f16.gguf", folder / "q8_0.gguf", to_type("q8_0")));
  for (const auto& [name, type] : {std::pair{"f16.gguf", DType::F16}, {"q8_0.gguf", DType::Q8_0}}) {
    const std::string bytes = tools_test::read_file(folder / name);
    const auto written = parse_gguf(std::as_bytes(std::span(bytes)), name);
    REQUIRE(written);
    size_t fused = 0;
    for (const TensorView& tensor : written->tensors) {
      CAPTURE(name, tensor.name);
      for (const char* part : {"attn_q.weight", "attn_k.weight", "attn_v.weight"}) CHECK_FALSE(tensor.name.ends_with(part));
      if (!tensor.name.ends_with("attn_qkv.weight")) continue;
      ++fused;
      CHECK(tensor.shape == Shape{64, 32});
      CHECK(tensor.type == type);
      std::string expected;
      for (const char* part : {"attn_q.weight", "attn_k.weight", "attn_v.weight"}) {
        const TensorView* view = source->find(tensor.name.substr(0, tensor.name.find("attn_qkv")) + part);
        REQUIRE(view != nullptr);
        expected += encoded(*view, type);
      }
      CHECK(bytes_of(tensor) == expected);
    }
    CHECK(fused == 2);
  }
}

TEST_CASE("rows that no block divides are written in F16 and reported", "[quantize]") {
  const auto in = data("models/stories260K/stories260K.gguf");
  SISKIN_SKIP_WITHOUT(in);
  const TempFolder folder;
  const auto report = quantize_model(in, folder / "out.gguf", to_type("q4_0"));
  REQUIRE(report);
  CHECK(report->fallbacks.size() == 5);  // ffn_down of 172 columns in each layer
  const auto written = ModelFile::open(folder / "out.gguf");
  REQUIRE(written);
  CHECK(written->find("blk.4.ffn_down.weight")->type == DType::F16);
  CHECK(written->find("blk.4.ffn_up.weight")->type == DType::Q4_0);
}

TEST_CASE("the bytes do not depend on the threads", "[quantize]") {
  const auto in = data("models/stories260K/stories260K.gguf");
  SISKIN_SKIP_WITHOUT(in);
  const TempFolder folder;
  REQUIRE(quantize_model(in, folder / "one.gguf", to_type("q8_0", 1)));
  REQUIRE(quantize_model(in, folder / "two.gguf", to_type("q8_0", 2)));
  CHECK(tools_test::read_file(folder / "one.gguf") == tools_test::read_file(folder / "two.gguf"));
}

TEST_CASE("the input is never overwritten, and a cancelled run leaves nothing", "[quantize]") {
  const auto source = data("models/stories260K/stories260K.gguf");
  SISKIN_SKIP_WITHOUT(source);
  const TempFolder folder;
  const auto in = folder / "in.gguf";
  std::filesystem::copy_file(source, in);
  const std::string before = tools_test::read_file(in);

  const auto same = quantize_model(in, folder.path() / "." / "in.gguf", to_type("q8_0"));
  REQUIRE(!same);
  CHECK(same.error().code == ErrorCode::invalid_argument);
  CHECK(tools_test::read_file(in) == before);

  QuantizeOptions cancelled = to_type("q8_0");
  cancelled.on_progress = [](uint64_t, uint64_t) { return false; };
  const auto stopped = quantize_model(in, folder / "out.gguf", cancelled);
  REQUIRE(!stopped);
  CHECK(stopped.error().code == ErrorCode::cancelled);
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) files += entry.is_regular_file();
  CHECK(files == 1);

  CHECK(quantize_model(folder / "absent.gguf", folder / "out.gguf", to_type("q8_0")).error().code == ErrorCode::not_found);
}

TEST_CASE("writing a model in the type it has copies its blocks", "[quantize]") {
  const auto in = data("models/stories260K/stories260K.gguf");
  SISKIN_SKIP_WITHOUT(in);
  const TempFolder folder;
  REQUIRE(quantize_model(in, folder / "q4.gguf", to_type("q4_0")));
  REQUIRE(quantize_model(folder / "q4.gguf", folder / "again.gguf", to_type("q4_0")));
  CHECK(tools_test::read_file(folder / "q4.gguf") == tools_test::read_file(folder / "again.gguf"));
}

TEST_CASE("a folder whose tokenizer GGUF cannot say is refused, not written without one", "[quantize]") {
  const auto in = data("models/tinystories-656K");
  SISKIN_SKIP_WITHOUT(in);
  const TempFolder folder;
  const auto report = quantize_model(in, folder / "out.gguf", to_type("q8_0"));
  REQUIRE(!report);
  CHECK(report.error().code == ErrorCode::unsupported);
  CHECK(report.error().message.find("merges cannot be written to GGUF") != std::string::npos);
  CHECK(!std::filesystem::exists(folder / "out.gguf"));
}
