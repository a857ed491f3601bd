// quantize_model to folders: the reference encoding of every linear layer, a folder that is there whole or not at all, and the
// same results and reads when it runs.
#include <siskin/pack.h>
#include <siskin/quantize.h>
#include <siskin/session.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "engine/model_impl.h"
#include "formats/blocks/codec.h"
#include "formats/model_file.h"
#include "tests/engine/counting_table.h"
#include "tests/engine/tools_data.h"

using namespace siskin;
using tools_test::TempFolder;

namespace {

namespace fs = std::filesystem;

fs::path source() { return places::golden() / "families/qwen2"; }

fs::path quantized(const TempFolder& folder, const char* type) {
  QuantizeOptions options;
  options.type = type;
  options.threads = 2;
  const auto report = quantize_model(source(), folder / "out", options);
  if (!report) FAIL(report.error().message);
  CHECK(report->types.at(type) == 12);  // ffn_down has 48 columns
  CHECK(report->fallbacks.size() == 2);
  return folder / "out";
}

std::vector<float> logits_of(const fs::path& path) {
  const auto model = Model::load(path);
  if (!model) FAIL(model.error().message);
  SessionOptions options;
  options.threads = 2;
  auto session = Session::create(*model, options);
  REQUIRE(session);
  return *(*session)->logits(std::vector<TokenId>{1, 17, 3, 25, 60, 42, 7, 30});
}

}  // namespace

TEST_CASE("a folder in w8a8 holds the reference encoding of its linear layers", "[quantize]") {
  const TempFolder folder;
  const auto before = ModelFile::open(source());
  const auto after = ModelFile::open(quantized(folder, "w8a8"));
  REQUIRE(before);
  if (!after) FAIL(after.error().message);
  REQUIRE(after->tensors().size() == before->tensors().size());
  for (const TensorView& tensor : before->tensors()) {
    INFO(tensor.name);
    const TensorView* written = after->find(tensor.name);
    REQUIRE(written != nullptr);
    CHECK(written->shape == tensor.shape);
    const bool linear = tensor.name.starts_with("blk.") && tensor.shape.size() == 2 && tensor.cols() % 32 == 0;
    REQUIRE(written->type == (linear ? DType::W8A8 : tensor.type));
    if (!linear) {
      CHECK(std::memcmp(written->slices[0], tensor.slices[0], tensor.slice_bytes) == 0);
      continue;
    }
    std::vector<std::byte> room, want(row_bytes(DType::W8A8, tensor.cols()));
    std::vector<float> values(tensor.cols());
    for (size_t r = 0; r < tensor.rows(); ++r) {
      decode_row(tensor.type, tensor.slices[0] + r * row_bytes(tensor.type, tensor.cols()), values.data(), values.size());
      encode_row(DType::W8A8, values.data(), want.data(), values.size());
      CHECK(std::memcmp(rows_of(*written, 0, r, 1, room), want.data(), want.size()) == 0);
    }
  }
}

TEST_CASE("a quantized folder runs, packs and is counted as what it is", "[quantize]") {
  const TempFolder folder;
  const fs::path out = quantized(folder, "w8a8");
  const std::vector<float> want = logits_of(source()), got = logits_of(out);
  double largest = 0.0, apart = 0.0;
  for (size_t i = 0; i < want.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(want[i])));
    apart = std::max(apart, std::fabs(static_cast<double>(want[i]) - static_cast<double>(got[i])));
  }
  CHECK(apart > 0.0);
  CHECK(apart < 0.05 * largest);  // 2^-8 of each factor, through two layers
  REQUIRE(pack_model(out, folder / "m.packed"));
  CHECK(logits_of(folder / "m.packed") == got);

  const auto model = Model::load(out);
  REQUIRE(model);
  auto& impl = const_cast<Model::Impl&>((*model)->impl());
  impl.isa = &test::counting_isa(*impl.isa);
  auto session = Session::create(*model, {});
  REQUIRE(session);
  Request request;
  request.tokens = {1, 17, 3};
  request.max_new_tokens = 1;
  request.ignore_eos = true;
  const auto completion = (*session)->generate(request);
  REQUIRE(completion);
  CHECK(completion->cost.prefill.weight_bytes == test::take_reads().weight_bytes());
}

TEST_CASE("what a quantized folder must not replace, and what it is not made of", "[quantize]") {
  const TempFolder folder;
  QuantizeOptions options;
  options.type = "w8a8";
  const fs::path out = quantized(folder, "w8a8");
  const auto says = [&](const fs::path& in, const fs::path& to) {
    const auto report = quantize_model(in, to, options);
    return report ? std::string("written") : report.error().message;
  };
  CHECK(says(source(), out).find("is there already") != std::string::npos);
  CHECK(says(out, folder / "again").find("quantized already") != std::string::npos);
  CHECK(says(places::zoo() / "dense-s-f16.gguf", folder / "again").find("Hugging Face folders") != std::string::npos);
  options.on_progress = [](uint64_t, uint64_t) { return false; };
  CHECK(says(source(), folder / "again").find("cancelled") != std::string::npos);
  size_t left = 0;
  for (const auto& entry : fs::directory_iterator(folder.path())) left += entry.path() == out ? 0 : 1;
  CHECK(left == 0);

  // Back to plain weights, and on to GGUF's types.
  options = {};
  options.type = "q8_0";
  REQUIRE(quantize_model(out, folder / "m.gguf", options));
  CHECK(ModelFile::open(folder / "m.gguf")->find("blk.0.attn_q.weight")->type == DType::Q8_0);
  options.type = "auto";
  REQUIRE(quantize_model(out, folder / "m.gguf", options));
  CHECK(ModelFile::open(folder / "m.gguf")->find("blk.0.attn_q.weight")->type == DType::F16);
}
