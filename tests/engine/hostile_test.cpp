// Model files that lie, are cut or are damaged: loading and running them gives an error or an answer, never a crash.

#include "tests/engine/hostile.h"

#include <siskin/session.h>
#include <siskin/synth.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>
#include <random>

#include "engine/sampler.h"
#include "kernels/select.h"
#include "tests/engine/tools_data.h"

namespace siskin {
namespace {

using test::Edit;
using test::Outcome;
using test::try_bytes;
using test::try_edit;
using test::try_file;
using tools_test::TempFolder;

// The bytes of a small valid model, dense or of five experts.
std::string model_bytes(const std::string& type, size_t n_experts) {
  const TempFolder folder;
  std::ofstream(folder / "tiny.txt")
      << "name = tiny\narchitecture = llama\nn_layers = 2\nd_model = 64\nn_heads = 4\nn_kv_heads = 2\n"
      << "head_dim = 16\nd_ff = 96\nn_experts = " << n_experts << "\ntop_k = " << (n_experts > 0 ? 2 : 0)
      << "\nn_vocab = 300\nctx = 128\nrope_theta = 10000\ntied = 0\n";
  SynthOptions options;
  options.like = (folder / "tiny.txt").string();
  options.type = type;
  if (const auto report = synthesize_model(folder / "tiny.gguf", options); !report) FAIL(report.error().message);
  return tools_test::read_file(folder / "tiny.gguf");
}

// Where the header and the tokenizer end and the weights begin.
size_t header_bytes(const std::string& bytes) {
  const auto contents = parse_gguf(std::as_bytes(std::span(bytes)), "tiny");
  REQUIRE(contents);
  size_t first = bytes.size();
  for (const TensorView& view : contents->tensors) {
    first = std::min(first, static_cast<size_t>(view.slices[0] - reinterpret_cast<const std::byte*>(bytes.data())));
  }
  return first;
}

constexpr uint64_t kAbsurd[] = {0, 1, 3, 1u << 16, 1u << 20, (1u << 20) + 1, 0xffffffffu, uint64_t{1} << 63, ~uint64_t{0}};

}  // namespace

TEST_CASE("a cut model is refused", "[hostile]") {
  const std::string bytes = model_bytes("q8_0", GENERATE(size_t{0}, size_t{5}));
  const TempFolder folder;
  REQUIRE(try_bytes(folder, bytes) == Outcome::ran);
  for (size_t i = 0; i < 60; ++i) {
    CAPTURE(i);
    CHECK(try_bytes(folder, bytes.substr(0, bytes.size() * i / 60)) == Outcome::refused);
  }
}

TEST_CASE("a model with a flipped bit is refused or runs", "[hostile]") {
  const std::string bytes = model_bytes(GENERATE(as<std::string>(), "f16", "q4_0"), GENERATE(size_t{0}, size_t{5}));
  const TempFolder folder;
  const size_t header = header_bytes(bytes);
  std::mt19937 random(1);
  size_t refused = 0;
  for (size_t i = 0; i < 120; ++i) {
    // Most flips in the header, where each number sizes something.
    const size_t at = i % 6 == 0 ? random() % bytes.size() : random() % header;
    const unsigned bit = random() % 8;
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
    CAPTURE(at, bit);
    refused += try_bytes(folder, damaged) == Outcome::refused;
  }
  CHECK(refused > 10);
}

TEST_CASE("a damaged copy of a trained model is refused or runs", "[hostile]") {
  const std::filesystem::path path = tools_test::data("models/zoo/dense-s-f16.gguf");
  SISKIN_SKIP_WITHOUT(path);
  const std::string bytes = tools_test::read_file(path);
  const TempFolder folder;
  const size_t header = header_bytes(bytes);
  std::mt19937 random(2);
  for (size_t i = 0; i < 12; ++i) {
    std::string damaged = bytes;
    for (size_t flips = 0; flips < 4; ++flips) damaged[random() % header] ^= static_cast<char>(1u << random() % 8);
    CAPTURE(i);
    try_bytes(folder, damaged);
    CHECK(try_bytes(folder, bytes.substr(0, random() % bytes.size())) == Outcome::refused);
  }
}

TEST_CASE("absurd counts are refused or run", "[hostile]") {
  const size_t n_experts = GENERATE(size_t{0}, size_t{5});
  const std::string bytes = model_bytes("f16", n_experts);
  const TempFolder folder;
  for (const char* key : {"block_count", "embedding_length", "attention.head_count", "attention.head_count_kv",
                          "feed_forward_length", "context_length", "attention.key_length", "attention.value_length",
                          "rope.dimension_count", "vocab_size", "expert_count", "expert_used_count"}) {
    for (const uint64_t value : kAbsurd) {
      CAPTURE(key, value);
      const Outcome outcome =
          try_edit(folder, bytes, [&](Metadata& meta, auto&) { meta.set("llama." + std::string(key), uint64_t{value}); });
      if (value > (1u << 20) || (value == 0 && std::string_view(key).find("expert") == std::string_view::npos)) {
        if (std::string_view(key) != "vocab_size" && std::string_view(key) != "attention.value_length" &&
            !(std::string_view(key) == "expert_used_count" && n_experts == 0)) {
          CHECK(outcome == Outcome::refused);
        }
      }
    }
    for (const MetaValue& wrong :
         {MetaValue(std::string("many")), MetaValue(int64_t{-1}), MetaValue(std::vector<int64_t>{1, 2})}) {
      CAPTURE(key, wrong.index());
      try_edit(folder, bytes, [&](Metadata& meta, auto&) { meta.set("llama." + std::string(key), wrong); });
    }
  }
  for (const char* key : {"rope.freq_base", "attention.layer_norm_rms_epsilon"}) {
    for (const double value :
         {0.0, -1.0, 1e300, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
      CAPTURE(key, value);
      CHECK(try_edit(folder, bytes, [&](Metadata& meta, auto&) { meta.set("llama." + std::string(key), value); }) ==
            (value == 0 && key[0] == 'a' ? Outcome::ran : Outcome::refused));
    }
  }
}

TEST_CASE("a tokenizer at odds with its model is refused or runs", "[hostile]") {
  const std::string bytes = model_bytes("f16", 0);
  const TempFolder folder;
  for (const char* key : {"bos_token_id", "eos_token_id", "unknown_token_id", "padding_token_id"}) {
    for (const uint64_t value : kAbsurd) {
      CAPTURE(key, value);
      try_edit(folder, bytes, [&](Metadata& meta, auto&) { meta.set("tokenizer.ggml." + std::string(key), uint64_t{value}); });
    }
  }
  for (const size_t n : {size_t{0}, size_t{1}, size_t{299}, size_t{301}, size_t{5000}}) {
    for (const char* key : {"tokens", "scores", "token_type"}) {
      CAPTURE(n, key);
      try_edit(folder, bytes, [&](Metadata& meta, auto&) {
        MetaValue value = *meta.find("tokenizer.ggml." + std::string(key));
        std::visit(
            [&](auto& list) {
              if constexpr (requires { list.resize(n); }) list.resize(n);
            },
            value);
        meta.set("tokenizer.ggml." + std::string(key), value);
      });
    }
  }
  for (const double score : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    try_edit(folder, bytes, [&](Metadata& meta, auto&) { meta.set("tokenizer.ggml.scores", std::vector<double>(300, score)); });
  }
}

TEST_CASE("a model without one of its tensors, or with one twice, is refused", "[hostile]") {
  const std::string bytes = model_bytes("f16", GENERATE(size_t{0}, size_t{5}));
  const TempFolder folder;
  const size_t n_tensors = parse_gguf(std::as_bytes(std::span(bytes)), "tiny")->tensors.size();
  for (size_t i = 0; i < n_tensors; ++i) {
    std::string name;
    const Outcome outcome = try_edit(folder, bytes, [&](Metadata&, auto& sources) {
      name = sources[i].name;
      sources.erase(sources.begin() + static_cast<std::ptrdiff_t>(i));
    });
    CAPTURE(name);
    CHECK(outcome == (name == "output.weight" ? Outcome::ran : Outcome::refused));  // without a head the embedding is the head
  }
  for (const char* name : {"blk.00.attn_q.weight", "blk.2.attn_q.weight", "blk.-1.attn_q.weight", "blk..attn_q.weight",
                           "blk.18446744073709551616.attn_q.weight", "blk.0.attn_q.bias", "extra"}) {
    CAPTURE(name);
    CHECK(try_edit(folder, bytes, [&](Metadata&, auto& sources) {
            const auto like =
                std::find_if(sources.begin(), sources.end(), [](const auto& s) { return s.name == "blk.0.attn_q.weight"; });
            GgufTensorSource extra = *like;
            extra.name = name;
            sources.push_back(extra);
          }) == Outcome::refused);
  }
}

TEST_CASE("weights that are no numbers still give tokens", "[hostile]") {
  const char* type = GENERATE("f32", "f16", "bf16", "q8_0", "q4_0");
  const std::string bytes = model_bytes(type, GENERATE(size_t{0}, size_t{5}));
  const TempFolder folder;
  for (const char* part : {"token_embd", "attn_q", "attn_v", "attn_norm", "ffn_down", "ffn_gate_inp", "output"}) {
    for (const int fill : {0xff, 0x7f, 0x7c}) {  // NaN and huge, whether the scale is the f16 in front or every value is
      const Edit poison = [&](Metadata&, std::vector<GgufTensorSource>& sources) {
        for (GgufTensorSource& source : sources) {
          if (source.name.find(part) == std::string::npos) continue;
          source.produce = [fill](size_t, std::span<std::byte> out) -> Status {
            std::memset(out.data(), fill, out.size());
            return {};
          };
        }
      };
      REQUIRE(try_edit(folder, bytes, poison) == Outcome::ran);
      for (const Isa& isa : available_isas()) {
        CAPTURE(type, part, fill, isa.name);
        CHECK(try_file(folder / "model.gguf", isa.name) == Outcome::ran);
      }
    }
  }
}

TEST_CASE("sampling passes over logits that are no numbers", "[hostile]") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  std::vector<float> logits(1000, kNan);
  for (size_t i = 0; i < logits.size(); i += 3) logits[i] = static_cast<float>(i % 50);
  logits[600] = 500;
  logits[601] = -kInf;
  Sampling sampling;
  for (const uint32_t top_k : {0u, 1u, 40u}) {
    sampling.top_k = top_k;
    for (sampling.seed = 0; sampling.seed < 20; ++sampling.seed) {
      std::vector<float> scratch = logits;
      CHECK(Sampler(sampling, (*select_isa("ref"))->complete).pick(scratch, {}) == 600);
      scratch = logits;
      scratch[602] = kInf;
      CHECK(Sampler(sampling, (*select_isa("ref"))->complete).pick(scratch, {}) == 602);
    }
  }
}

}  // namespace siskin
