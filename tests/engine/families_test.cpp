// Tiny random models of every family but llama against transformers' float64 logits (tests/golden/families/make.py wrote both),
// on every instruction set; and their ledgers against what the kernels read, sliding windows included.

#include <siskin/pack.h>
#include <siskin/quantize.h>
#include <siskin/session.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/model_impl.h"
#include "formats/safetensors.h"
#include "kernels/select.h"
#include "tests/engine/counting_table.h"
#include "tests/engine/sessions.h"
#include "tests/engine/tools_data.h"

namespace siskin {
namespace {

using test::load;
constexpr const char* kModels[] = {"qwen2",          "qwen2_tied",     "gemma3",           "olmoe",        "qwen2_moe",
                                   "qwen3_moe",      "granitemoe",     "granitemoeshared", "glm4_moe",     "glm4_moe_groups",
                                   "ernie4_5_moe",   "hunyuan_v1_moe", "minimax_m2",       "deepseek",     "deepseek2",
                                   "deepseek2_lite", "deepseek3",      "deepseek3.gguf",   "gpt_oss.gguf", "dbrx",
                                   "llama4",         "llama_longrope", "phimoe",           "gpt_oss"};

std::filesystem::path golden(const std::string& name) { return places::golden() / "families" / name; }

nlohmann::json reference_of(const std::string& name) {
  return nlohmann::json::parse(tools_test::read_file(golden(name).replace_extension(".json")));
}

// F32 K and V, as in the reference.
std::vector<TokenId> greedy_ids(const std::shared_ptr<const Model>& model, const std::vector<TokenId>& ids, size_t n) {
  SessionOptions options;
  options.kv_type = KvType::f32;
  auto session = Session::create(model, options);
  REQUIRE(session);
  const auto completion = (*session)->generate(test::greedy(ids, n));
  REQUIRE(completion);
  return completion->ids;
}

// By f32 arithmetic on f32 K and V, `chunk` tokens a step; ctx 0: the model's.
std::vector<float> logits_of(const std::shared_ptr<const Model>& model, const std::vector<TokenId>& ids, size_t chunk = 512,
                             size_t ctx = 0) {
  SessionOptions exact;
  exact.ctx = ctx;
  exact.kv_type = KvType::f32;
  exact.deterministic = true;
  auto session = Session::create(model, exact);
  REQUIRE(session);
  auto logits = (*session)->logits(ids, chunk);
  REQUIRE(logits);
  return *logits;
}

void check_parity(const std::shared_ptr<const Model>& model, const nlohmann::json& reference) {
  test::check_parity(logits_of(model, reference["ids"].get<std::vector<TokenId>>()),
                     reference["logits"].get<std::vector<double>>());
}

std::vector<TokenId> text(size_t n) {
  std::vector<TokenId> ids;
  for (size_t i = 0; i < n; ++i) ids.push_back(static_cast<TokenId>(3 + (i * i + 5 * i) % 61));
  return ids;
}

// Steps requests of so many tokens through, side by side, and compares the whole account with what the kernels read. The model
// is spent.
void check_ledger(const std::shared_ptr<const Model>& model, size_t batch, const std::vector<size_t>& lengths, KvType kv_type) {
  auto& impl = const_cast<Model::Impl&>(model->impl());
  impl.isa = &test::counting_isa(*impl.isa);
  SessionOptions options;
  options.batch = batch;
  options.kv_type = kv_type;
  options.max_requests = lengths.size();
  auto session = Session::create(model, options);
  REQUIRE(session);
  std::vector<RequestId> ids;
  for (const size_t n : lengths) {
    const auto id = (*session)->submit(test::greedy(text(n), 6));
    REQUIRE(id);
    ids.push_back(*id);
  }
  uint64_t weights = 0, kv_read = 0, kv_written = 0, flops = 0, expert_reads = 0;
  for (bool more = true; more;) {
    const auto stepped = (*session)->step();
    REQUIRE(stepped);
    more = *stepped;
    const test::Reads reads = test::take_reads();
    weights += reads.weight_bytes();
    kv_read += reads.kv_bytes();
    kv_written += reads.kv_written;
    flops += reads.flops;
    std::set<std::pair<uint32_t, uint32_t>> pairs;  // one matrix of each expert stands for it
    for (const auto& [key, read] : reads.strips) {
      const auto& [tensor, slice, strip] = key;
      if (impl.weights.tensors()[tensor].name.find("ffn_down_exps") != std::string::npos) pairs.emplace(tensor, slice);
    }
    expert_reads += pairs.size();
  }
  uint64_t counted_weights = 0, counted_kv_read = 0, counted_kv_written = 0, counted_flops = 0, counted_experts = 0;
  for (const RequestId id : ids) {
    const auto completion = (*session)->take(id);
    REQUIRE(completion);
    for (const PhaseCost* phase : {&completion->cost.prefill, &completion->cost.decode}) {
      counted_weights += phase->weight_bytes;
      counted_kv_read += phase->kv_read_bytes;
      counted_kv_written += phase->kv_write_bytes;
      counted_flops += phase->flops();
      counted_experts += phase->expert_reads;
    }
  }
  CHECK(counted_weights == weights);
  CHECK(counted_kv_read == kv_read);
  CHECK(counted_kv_written == kv_written);
  CHECK(counted_flops == flops);
  CHECK(counted_experts == expert_reads);
}

// gemma3 with windows of 300 positions, longer than a span of attention, and room for three spans.
std::filesystem::path long_windows(const tools_test::TempFolder& folder) {
  auto config = nlohmann::json::parse(tools_test::read_file(golden("gemma3") / "config.json"));
  config["sliding_window"] = 300;
  config["max_position_embeddings"] = 1024;
  std::ofstream(folder / "config.json") << config;
  std::filesystem::copy_file(golden("gemma3") / "model.safetensors", folder / "model.safetensors");
  return folder.path();
}

}  // namespace

TEST_CASE("tiny models of each family give transformers' logits on every instruction set", "[parity]") {
  for (const char* name : kModels) {
    const auto reference = reference_of(name);
    for (const Isa& isa : available_isas()) {
      CAPTURE(name, isa.name);
      check_parity(load(golden(name), isa.name), reference);
    }
  }
}

TEST_CASE("tiny models go on as the reference does", "[parity]") {
  size_t continued = 0;
  for (const char* name : kModels) {
    const auto reference = reference_of(name);
    if (!reference.contains("greedy")) continue;
    CAPTURE(name);
    const auto expected = reference["greedy"].get<std::vector<TokenId>>();
    CHECK(expected.size() == 32);
    CHECK(greedy_ids(load(golden(name), "ref"), reference["ids"].get<std::vector<TokenId>>(), expected.size()) == expected);
    ++continued;
  }
  CHECK(continued >= 15);
}

TEST_CASE("contexts up to the original length take LongRoPE's short factors, whatever kind of file holds them", "[parity]") {
  const tools_test::TempFolder folder;
  for (const std::string name : {"llama_longrope", "phimoe"}) {
    const auto reference = reference_of(name)["short"];
    const auto ids = reference["ids"].get<std::vector<TokenId>>();
    QuantizeOptions options;
    options.type = "f16";
    REQUIRE(quantize_model(golden(name), folder / (name + ".gguf").c_str(), options));
    REQUIRE(pack_model(golden(name), folder / (name + ".packed").c_str(), {}));
    for (const auto& path : {golden(name), folder / (name + ".gguf").c_str(), folder / (name + ".packed").c_str()}) {
      CAPTURE(path);
      const auto model = load(path, "");
      const auto logits = logits_of(model, ids, 512, 16);
      test::check_parity(logits, reference["logits"].get<std::vector<double>>());
      CHECK(logits_of(model, ids, 512, 17) != logits);
    }
  }
}

TEST_CASE("gpt-oss' published experts are MXFP4, in the folder and in the file that it is converted to", "[parity]") {
  const tools_test::TempFolder folder;
  const auto reference = reference_of("gpt_oss_mxfp4");
  const auto convert = [&](const char* type) {
    QuantizeOptions options;
    options.type = type;
    const auto report = quantize_model(golden("gpt_oss_mxfp4"), folder / type, options);
    REQUIRE(report);
    return *report;
  };
  CHECK(convert("auto").types.at("mxfp4") == 9);  // gate, up and down of three layers
  // Products with MXFP4 round their rows to int8, those with its values as F32 do not.
  convert("f32");
  for (const Isa& isa : available_isas()) {
    CAPTURE(isa.name);
    check_parity(load(folder / "f32", isa.name), reference);
  }
  const auto expected = reference["greedy"].get<std::vector<TokenId>>();
  CHECK(greedy_ids(load(folder / "f32", "ref"), reference["ids"].get<std::vector<TokenId>>(), 32) == expected);
  const auto model = load(golden("gpt_oss_mxfp4"), "");
  CHECK((logits_of(model, text(30)) == logits_of(load(folder / "auto", ""), text(30))));
  REQUIRE(pack_model(golden("gpt_oss_mxfp4"), folder / "packed", {}));
  CHECK((logits_of(model, text(30)) == logits_of(load(folder / "packed", ""), text(30))));
  check_ledger(load(golden("gpt_oss_mxfp4"), ""), 11, {17, 3, 9}, KvType::f16);
}

// The last layer of deepseek3 as its layer for drafting tokens.
TEST_CASE("layers for drafting several tokens at once are named with their bytes, in folders and files", "[inspect]") {
  const tools_test::TempFolder folder;
  auto config = nlohmann::json::parse(tools_test::read_file(golden("deepseek3") / "config.json"));
  config["num_hidden_layers"] = 2;
  config["num_nextn_predict_layers"] = 1;
  std::ofstream(folder / "config.json") << config;
  std::filesystem::copy_file(golden("deepseek3") / "model.safetensors", folder / "model.safetensors");
  const auto file = ModelFile::open(golden("deepseek3"));
  REQUIRE(file);
  uint64_t tensors = 0, bytes = 0;
  for (const TensorView& view : file->tensors()) {
    if (!view.name.starts_with("blk.2.")) continue;
    bytes += file_bytes(view);
    ++tensors;
  }
  REQUIRE(bytes > 0);
  const auto whole = Model::inspect(golden("deepseek3"));
  REQUIRE(whole);
  CHECK(whole->unused_tensors == 0);
  CHECK(whole->unused_bytes == 0);
  const auto cut = Model::inspect(folder.path());
  if (!cut) FAIL(cut.error().message);
  CHECK(cut->unused_tensors >= tensors);  // a folder keeps each expert's matrices apart
  CHECK(cut->unused_bytes == bytes);
}

TEST_CASE("a step that starts inside a text sees the same window as one step over all of it", "[parity]") {
  const auto reference = nlohmann::json::parse(tools_test::read_file(golden("gemma3.json")));
  const auto ids = reference["ids"].get<std::vector<TokenId>>();
  const auto model = load(golden("gemma3"), "");
  Request request;
  request.tokens = ids;
  request.max_new_tokens = 12;  // past the window of 8 again
  request.ignore_eos = true;
  request.sampling.temperature = 0;
  std::vector<std::vector<TokenId>> answers;
  for (const size_t batch : {size_t{512}, size_t{5}}) {
    SessionOptions options;
    options.batch = batch;
    options.deterministic = true;
    auto session = Session::create(model, options);
    REQUIRE(session);
    const auto id = (*session)->submit(request);
    REQUIRE(id);
    while (true) {
      const auto more = (*session)->step();
      REQUIRE(more);
      if (!*more) break;
    }
    const auto completion = (*session)->take(*id);
    REQUIRE(completion);
    answers.push_back(completion->ids);
  }
  CHECK(answers[0].size() == 12);
  CHECK(answers[0] == answers[1]);
}

TEST_CASE("the ledger of each family equals what the kernels read", "[ledger]") {
  for (const char* name : kModels) {
    CAPTURE(name);
    check_ledger(load(golden(name), ""), 7, {30}, KvType::f16);  // steps that begin before, in and behind the first window
    check_ledger(load(golden(name), ""), 11, {17, 3, 9}, KvType::f16);  // prompts and decoding in one step
  }
}

TEST_CASE("the ledger counts windows that are longer than a span of attention", "[ledger]") {
  const tools_test::TempFolder folder;
  const auto path = long_windows(folder);
  for (const size_t batch : {size_t{3}, size_t{200}}) {
    for (const KvType type : {KvType::f16, KvType::q8_0}) {
      CAPTURE(batch, type);
      check_ledger(load(path, ""), batch, {650}, type);
    }
  }
}

TEST_CASE("windows longer than a span give the same logits whole, cut into spans, and on every instruction set", "[parity]") {
  const tools_test::TempFolder folder;
  const auto path = long_windows(folder);
  std::vector<float> expected;
  for (const Isa& isa : available_isas()) {
    const auto model = load(path, isa.name);
    for (const size_t chunk : {size_t{512}, size_t{3}}) {
      const auto logits = logits_of(model, text(700), chunk);
      if (expected.empty()) expected = logits;
      REQUIRE(logits.size() == expected.size());
      float difference = 0, largest = 0;
      for (size_t i = 0; i < expected.size(); ++i) {
        difference = std::max(difference, std::abs(logits[i] - expected[i]));
        largest = std::max(largest, std::abs(expected[i]));
      }
      CAPTURE(isa.name, chunk, difference, largest);
      CHECK(difference <= 1e-5f * largest);
    }
  }
}

TEST_CASE("a text model beside a vision model is read, and what is left out is said", "[parity]") {
  const tools_test::TempFolder folder;
  const auto text_config = nlohmann::json::parse(tools_test::read_file(golden("llama4") / "config.json"));
  std::ofstream(folder / "config.json") << nlohmann::json{{"model_type", "llama4"},
                                                          {"architectures", {"Llama4ForConditionalGeneration"}},
                                                          {"text_config", text_config},
                                                          {"vision_config", {{"hidden_size", 1}}},
                                                          {"tie_word_embeddings", false}};
  const std::string bytes = tools_test::read_file(golden("llama4") / "model.safetensors");
  const auto contents = parse_safetensors(std::as_bytes(std::span(bytes)), "model.safetensors");
  REQUIRE(contents);
  std::vector<GgufTensorSource> tensors;
  const auto add = [&](const std::string& name, const SafetensorsEntry& entry) {
    tensors.push_back({name, *entry.type, entry.shape, 1, entry.end - entry.begin, {}});
    tensors.back().produce = [&bytes, at = entry.begin](size_t, std::span<std::byte> out) -> Status {
      std::memcpy(out.data(), bytes.data() + at, out.size());
      return {};
    };
  };
  for (const SafetensorsEntry& entry : contents->tensors) add("language_model." + entry.name, entry);
  for (const char* name : {"vision_model.class_embedding", "vision_model.model.layers.0.mlp.fc1.weight",
                           "multi_modal_projector.linear_1.weight"}) {
    add(name, contents->tensors.front());
  }
  REQUIRE(write_safetensors(folder / "model.safetensors", {}, tensors));
  const auto model = load(folder.path(), "");
  CHECK((logits_of(model, text(30)) == logits_of(load(golden("llama4"), ""), text(30))));
  const std::vector<std::string> notes = {"multi_modal_projector.* left out (tensors: 1): only the text model is read",
                                          "vision_model.* left out (tensors: 2): only the text model is read"};
  CHECK(model->info().notes == notes);
  QuantizeOptions options;
  options.type = "f16";
  const auto report = quantize_model(folder.path(), folder / "converted.gguf", options);
  REQUIRE(report);
  CHECK(report->notes == notes);
  CHECK((logits_of(load(folder / "converted.gguf", ""), text(30)) == logits_of(model, text(30))));
}

TEST_CASE("packed and converted folders give the folder's logits", "[parity]") {
  for (const char* name : kModels) {
    CAPTURE(name);
    const tools_test::TempFolder folder;
    REQUIRE(pack_model(golden(name), folder / "packed", {}));
    QuantizeOptions options;
    options.type = "f16";  // as in the folder
    REQUIRE(quantize_model(golden(name), folder / "converted.gguf", options));
    const auto logits = logits_of(load(golden(name), ""), text(30));
    CHECK((logits_of(load(folder / "packed", ""), text(30)) == logits));
    const auto converted = load(folder / "converted.gguf", "");
    const auto file = ModelFile::open(golden(name));
    REQUIRE(file);
    if (rope_pairing(*file) == gguf_rope_pairing(*file->metadata().string("general.architecture"))) {
      CHECK((logits_of(converted, text(30)) == logits));
    } else {  // rows of q and k change places, and with them the order of their products' sums
      check_parity(converted, reference_of(name));
    }
  }
}

}  // namespace siskin
