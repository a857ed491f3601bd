// The ledger against a counting kernel table: equal to the byte, for dense and mixture models, alone and in mixed batches.

#include <numeric>

#include <catch2/catch.hpp>

#include <siskin/session.h>
#include <siskin/synth.h>

#include "engine/ledger.h"
#include "engine/model_impl.h"
#include "tests/engine/counting_table.h"
#include "tests/engine/plain_tiles.h"
#include "tests/engine/tools_data.h"

namespace siskin {
namespace {

using test::Reads;
using tools_test::TempFolder;

// A tiny model of odd sizes: rows that fill no strip, experts that outnumber tokens, a head of its own.
std::filesystem::path write_model(const TempFolder& folder, const std::string& type, size_t n_experts, bool tied) {
  const std::filesystem::path shape = folder / "tiny.txt";
  // Blocks of 256 need rows of 256; then ffn_down, of 96, takes another type and the model is a mixture.
  const size_t width = type.ends_with("_k") || type == "iq4_xs" ? 256 : 64;
  std::ofstream(shape) << "name = tiny\narchitecture = llama\nn_layers = 3\nd_model = " << width
                       << "\nn_heads = 4\nn_kv_heads = 2\nhead_dim = " << width / 4 << "\nd_ff = 96\nn_experts = " << n_experts << "\ntop_k = " << (n_experts > 0 ? 3 : 0)
                       << "\nn_vocab = 301\nctx = 256\nrope_theta = 10000\ntied = " << (tied ? 1 : 0) << "\n";
  const std::filesystem::path file = folder / "tiny.gguf";
  SynthOptions options;
  options.like = shape.string();
  options.type = type;
  const auto report = synthesize_model(file, options);
  if (!report) FAIL(report.error().message);
  return file;
}

std::shared_ptr<const Model> load_counting(const std::filesystem::path& path, bool plain_tiles = false) {
  auto model = Model::load(path);
  if (!model) FAIL(model.error().message);
  auto& impl = const_cast<Model::Impl&>((*model)->impl());
  impl.isa = &test::counting_isa(plain_tiles ? test::with_plain_tiles(*impl.isa) : *impl.isa);
  return *model;
}

Request request_of(std::vector<TokenId> tokens, size_t n) {
  Request request;
  request.tokens = std::move(tokens);
  request.max_new_tokens = n;
  request.ignore_eos = true;
  request.sampling.temperature = 0;
  return request;
}

struct Sums {
  uint64_t weights = 0, kv_read = 0, kv_write = 0, flops = 0;
  void add(const Reads& reads) {
    weights += reads.weight_bytes();
    kv_read += reads.kv_bytes();
    kv_write += reads.kv_written;
    flops += reads.flops;
  }
  void add(const PhaseCost& cost) {
    weights += cost.weight_bytes;
    kv_read += cost.kv_read_bytes;
    kv_write += cost.kv_write_bytes;
    flops += cost.flops();
  }
  bool operator==(const Sums&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Sums& s) {
  return out << "{weights " << s.weights << ", kv_read " << s.kv_read << ", kv_write " << s.kv_write << ", flops " << s.flops << "}";
}

}  // namespace

TEST_CASE("shares add up exactly, the largest remainders first", "[ledger]") {
  CHECK(split_exactly(10, {1, 1, 1}) == std::vector<uint64_t>{4, 3, 3});
  CHECK(split_exactly(7, {0, 2, 5}) == std::vector<uint64_t>{0, 2, 5});
  CHECK(split_exactly(0, {3, 4}) == std::vector<uint64_t>{0, 0});
  for (uint64_t total : {1ull, 999ull, 123456789012345ull}) {
    const auto shares = split_exactly(total, {3, 17, 1, 512, 9});
    CHECK(std::accumulate(shares.begin(), shares.end(), uint64_t{0}) == total);
  }
}

TEST_CASE("a request's ledger equals what the kernels read", "[ledger]") {
  const auto [type, n_experts, tied] = GENERATE(table<std::string, size_t, bool>(
      {{"f16", 0, true}, {"f16", 0, false}, {"q8_0", 0, true}, {"q4_0", 7, false}, {"bf16", 7, true}, {"f32", 7, false},
       {"q5_1", 0, true}, {"mxfp4", 7, false}, {"q4_k", 0, true}, {"q6_k", 7, false}, {"iq4_xs", 0, false}}));
  CAPTURE(type, n_experts, tied);
  const TempFolder folder;
  const auto model = load_counting(write_model(folder, type, n_experts, tied));
  SessionOptions options;
  options.batch = 16;  // the prompt takes three steps, two of them without logits
  auto session = Session::create(model, options);
  REQUIRE(session);
  std::vector<TokenId> prompt(37);
  for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<TokenId>(i * 7 % 300);
  const auto id = (*session)->submit(request_of(prompt, 9));
  REQUIRE(id);

  Sums prefill, decode;
  Reads touched[2];  // unions over each phase
  for (size_t step = 0;; ++step) {
    const auto more = (*session)->step();
    REQUIRE(more);
    const Reads reads = test::take_reads();
    (step < 3 ? prefill : decode).add(reads);
    Reads& phase = touched[step < 3 ? 0 : 1];
    phase.strips.insert(reads.strips.begin(), reads.strips.end());
    phase.rows.insert(reads.rows.begin(), reads.rows.end());
    phase.vectors.insert(reads.vectors.begin(), reads.vectors.end());
    if (!*more) break;
  }
  const auto completion = (*session)->take(*id);
  REQUIRE(completion);
  CHECK(completion->ids.size() == 9);
  const PhaseCost* costs[2] = {&completion->cost.prefill, &completion->cost.decode};
  Sums ledger[2];
  for (size_t phase = 0; phase < 2; ++phase) {
    ledger[phase].add(*costs[phase]);
    CHECK(ledger[phase] == (phase == 0 ? prefill : decode));
    uint64_t params = 0, pairs = 0;
    std::set<uint32_t> matrices;
    for (const auto& [key, value] : touched[phase].strips) {
      params += value.second;
      matrices.insert(std::get<0>(key));
    }
    for (const auto& [key, value] : touched[phase].rows) {
      if (!matrices.contains(key.first)) params += value.second;  // a tied row is already among the head's
    }
    for (const auto& [tensor, bytes] : touched[phase].vectors) params += bytes / sizeof(float);
    for (size_t layer = 0; layer < 3 && n_experts > 0; ++layer) {
      const uint32_t gate = model->impl().weights.get(Slot::ffn_gate_exps, layer).id;
      for (uint32_t e = 0; e < n_experts; ++e) pairs += touched[phase].strips.contains({gate, e, 0});
    }
    CHECK(costs[phase]->params_touched == params);
    CHECK(costs[phase]->experts_touched == pairs);
    CHECK(costs[phase]->experts_per_token == (n_experts > 0 ? 3 : 0));
    CHECK(costs[phase]->active_params_per_token == Approx(static_cast<double>(costs[phase]->active_params)).epsilon(1e-12));
  }
}

TEST_CASE("the KV cache's bytes are counted as its type keeps them", "[ledger]") {
  const KvType type = GENERATE(KvType::f16, KvType::f32, KvType::bf16, KvType::q8_0);
  CAPTURE(kv_type_name(type));
  const TempFolder folder;
  const auto model = load_counting(write_model(folder, "q8_0", 0, true));
  SessionOptions options;
  options.ctx = 700;
  options.batch = 290;  // the second step has tiles that are cut into spans, and tiles that are not
  options.kv_type = type;
  auto session = Session::create(model, options);
  REQUIRE(session);
  std::vector<TokenId> prompt(595);
  for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<TokenId>(i * 7 % 300);
  const auto id = (*session)->submit(request_of(prompt, 4));
  REQUIRE(id);
  Sums counted, ledger;
  for (bool more = true; more;) {
    const auto stepped = (*session)->step();
    REQUIRE(stepped);
    more = *stepped;
    counted.add(test::take_reads());
  }
  const auto completion = (*session)->take(*id);
  REQUIRE(completion);
  ledger.add(completion->cost.prefill);
  ledger.add(completion->cost.decode);
  CHECK(ledger == counted);
  // 3 layers, 2 heads of 16, K and V; q8_0: 16 bytes and a scale.
  const uint64_t bytes = 3 * 2 * 2 * (type == KvType::f32 ? 64 : type == KvType::q8_0 ? 18 : 32);
  CHECK(ledger.kv_write == (595 + 3) * bytes);
  CHECK(ledger.kv_read == (290 + 580 + 595 + 596 + 597 + 598) * bytes);
}

TEST_CASE("requests that share steps share their bytes exactly", "[ledger]") {
  const size_t n_experts = GENERATE(size_t{0}, size_t{7});
  const bool tiles = GENERATE(false, true);
  const TempFolder folder;
  const auto model = load_counting(write_model(folder, "q8_0", n_experts, true), tiles);
  SessionOptions options;
  options.batch = tiles ? 48 : 24;  // some steps have the 32 rows from which tiles are used, others don't
  auto session = Session::create(model, options);
  REQUIRE(session);
  std::vector<RequestId> ids;
  Sums counted;
  uint64_t counted_on_bf16 = 0;
  const auto count = [&] {
    const Reads reads = test::take_reads();
    counted.add(reads);
    counted_on_bf16 += reads.flops_bf16;
  };
  for (size_t i = 0; i < 4; ++i) {  // they arrive two steps apart, so that steps mix prompts and decoding
    std::vector<TokenId> prompt(5 + 13 * i);
    for (size_t t = 0; t < prompt.size(); ++t) prompt[t] = static_cast<TokenId>((i * 31 + t * t) % 300);
    const auto id = (*session)->submit(request_of(prompt, 6 + i));
    REQUIRE(id);
    ids.push_back(*id);
    for (int step = 0; step < 2; ++step) {
      REQUIRE((*session)->step());
      count();
    }
  }
  for (bool more = true; more;) {
    const auto stepped = (*session)->step();
    REQUIRE(stepped);
    more = *stepped;
    count();
  }
  Sums ledger;
  uint64_t on_bf16 = 0;
  for (const RequestId id : ids) {
    const auto completion = (*session)->take(id);
    REQUIRE(completion);
    on_bf16 += completion->cost.prefill.flops_bf16 + completion->cost.decode.flops_bf16;
    ledger.add(completion->cost.prefill);
    ledger.add(completion->cost.decode);
  }
  CHECK((on_bf16 > 0) == tiles);
  CHECK(on_bf16 == counted_on_bf16);
  CHECK(ledger == counted);
}

}  // namespace siskin
