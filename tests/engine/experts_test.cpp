// Experts left on disk: the same bits as resident ones with any number of slots, reads counted and shared exactly, and errors, not
// crashes, where the file fails.
#include <siskin/pack.h>
#include <siskin/synth.h>
#include <siskin/trace.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "engine/experts/cache.h"
#include "engine/experts/disk.h"
#include "engine/model_impl.h"
#include "engine/session_team.h"
#include "tests/engine/sessions.h"
#include "tests/engine/tools_data.h"

using namespace siskin;
using tools_test::TempFolder;

namespace {

namespace fs = std::filesystem;

constexpr size_t kLayers = 3, kExperts = 12;

// A mixture whose experts' matrices begin anywhere in a page: 224 rows of 160 columns.
fs::path packed_mixture(const TempFolder& folder, const char* type = "q4_0") {
  const fs::path shape = folder / "shape.txt";
  std::ofstream(shape) << "name = tiny\narchitecture = llama\nn_layers = " << kLayers
                       << "\nd_model = 160\nn_heads = 4\nn_kv_heads = 2\nd_ff = 224\nn_experts = " << kExperts
                       << "\ntop_k = 3\nn_vocab = 301\nctx = 128\ntied = 0\n";
  SynthOptions options;
  options.like = shape.string();
  options.type = type;
  REQUIRE(synthesize_model(folder / "m.gguf", options));
  REQUIRE(pack_model(folder / "m.gguf", folder / "m.packed"));
  return folder / "m.packed";
}

// A budget for that many experts.
uint64_t ram_for(const fs::path& packed, size_t slots) {
  const auto model = test::load(packed);
  const Model::Impl& impl = model->impl();
  return model->info().memory_needed_bytes - impl.weights.expert_bytes() + slots * DiskExperts::slot_bytes(impl.spec, impl.weights);
}

std::shared_ptr<const Model> load_within(const fs::path& packed, uint64_t ram_bytes) {
  LoadOptions options;
  options.ram_bytes = ram_bytes;
  auto model = Model::load(packed, options);
  if (!model) FAIL(model.error().message);
  return *model;
}

std::unique_ptr<Session> session_of(const std::shared_ptr<const Model>& model, size_t batch = 16) {
  SessionOptions options;
  options.threads = 2;
  options.ctx = 96;
  options.batch = batch;
  auto session = Session::create(model, options);
  if (!session) FAIL(session.error().message);
  return *std::move(session);
}

Completion complete(Session& session, std::vector<TokenId> tokens, size_t n) {
  auto completion = session.generate(test::greedy(std::move(tokens), n));
  if (!completion) FAIL(completion.error().message);
  return *std::move(completion);
}

uint64_t both(const Cost& cost, uint64_t PhaseCost::*what) { return cost.prefill.*what + cost.decode.*what; }

}  // namespace

TEST_CASE("the cache forgets what is worth least and never what is held", "[experts]") {
  const auto none_held = [](uint32_t) { return false; };
  SECTION("lru: the use that is longest ago") {
    ExpertCache cache(1, 8, 2, Eviction::lru);
    for (const size_t expert : {0, 1, 0}) {
      cache.visit();
      cache.use(expert);
      if (cache.slot_of(expert) == ExpertCache::kNone) cache.place(expert, none_held);
    }
    cache.visit();
    cache.use(2);
    cache.place(2, none_held);
    CHECK(cache.slot_of(1) == ExpertCache::kNone);
    CHECK(cache.slot_of(0) != ExpertCache::kNone);
    CHECK(cache.expert_in(cache.slot_of(2)) == 2);
  }
  SECTION("lrfu: ten uses outweigh a later one, until they are old") {
    ExpertCache cache(1, 8, 2, Eviction::lrfu);
    for (int i = 0; i < 10; ++i) {
      cache.visit();
      cache.use(0);
    }
    cache.place(0, none_held);
    cache.visit();
    cache.use(1);
    cache.place(1, none_held);
    cache.visit();
    cache.use(2);
    cache.place(2, none_held);
    CHECK(cache.slot_of(0) != ExpertCache::kNone);
    CHECK(cache.slot_of(1) == ExpertCache::kNone);
    for (int i = 0; i < 200; ++i) cache.visit();
    cache.use(3);
    cache.place(3, none_held);  // 2 goes
    cache.visit();
    cache.use(4);
    cache.place(4, none_held);
    CHECK(cache.slot_of(0) == ExpertCache::kNone);
    CHECK(cache.slot_of(3) != ExpertCache::kNone);
  }
  SECTION("held slots stay; with all held there is no place") {
    ExpertCache cache(1, 8, 2, Eviction::lru);
    cache.place(0, none_held);
    cache.place(1, none_held);
    const uint32_t kept = cache.slot_of(0);
    CHECK(cache.place(2, [&](uint32_t slot) { return slot == kept; }) != kept);
    CHECK(cache.slot_of(1) == ExpertCache::kNone);
    CHECK(cache.place(3, [](uint32_t) { return true; }) == ExpertCache::kNone);
    cache.remove(kept);
    CHECK(cache.slot_of(0) == ExpertCache::kNone);
    CHECK(cache.place(3, [](uint32_t) { return true; }) == kept);
  }
}

TEST_CASE("experts from disk give the same bits, whatever there is room for", "[experts]") {
  const TempFolder folder;
  const char* type = GENERATE("q4_0", "f32", "q8_0");
  const fs::path packed = packed_mixture(folder, type);
  const auto resident = test::load(packed);
  const auto tokens = test::some_tokens(20), few = test::some_tokens(5);
  const auto expected = test::logits_of(*session_of(resident), tokens, 16);
  const Completion expected_text = complete(*session_of(resident), tokens, 5);
  CHECK(both(expected_text.cost, &PhaseCost::disk_bytes) == 0);
  CHECK(both(expected_text.cost, &PhaseCost::expert_disk_reads) == 0);
  for (const size_t slots : {1u, 3u, 20u}) {
    CAPTURE(type, slots);
    const auto model = load_within(packed, ram_for(packed, slots));
    CHECK(model->info().expert_slots == slots);
    CHECK(test::logits_of(*session_of(model), tokens, 16) == expected);
    CHECK(test::logits_of(*session_of(model), few, 1) == test::logits_of(*session_of(resident), few, 1));
    const Completion text = complete(*session_of(model), tokens, 5);
    CHECK(text.ids == expected_text.ids);
    for (const auto phase : {&Cost::prefill, &Cost::decode}) {
      const PhaseCost &cost = text.cost.*phase, &of_resident = expected_text.cost.*phase;
      CHECK(cost.weight_bytes_by_role == of_resident.weight_bytes_by_role);
      CHECK(cost.expert_reads == of_resident.expert_reads);
      CHECK(cost.experts_touched == of_resident.experts_touched);
      CHECK(cost.expert_disk_reads <= cost.expert_reads);
    }
    CHECK(both(text.cost, &PhaseCost::expert_disk_reads) > 0);
  }
  // Room for all of them is a resident model.
  CHECK(load_within(packed, resident->info().memory_needed_bytes)->info().expert_slots == 0);
}

TEST_CASE("disk reads are what a cache that is asked for the same experts misses", "[experts]") {
  const TempFolder folder;
  const fs::path packed = packed_mixture(folder);
  const size_t slots = 14;
  const auto model = load_within(packed, ram_for(packed, slots));
  ExpertCache cache(kLayers, kExperts, slots, Eviction::lrfu);
  auto session = session_of(model, 1);  // of one token: three experts a layer, always fewer than there are slots
  const auto tokens = test::some_tokens(30);
  const auto id = session->submit(test::greedy(tokens, 10));
  REQUIRE(id);
  // The same routing, from a model that keeps everything.
  const auto resident = test::load(packed);
  uint64_t missed = 0, bytes = 0;
  const auto whole = session_of(resident, 1);
  RoutingTrace trace = *new_trace(*resident);
  whole->trace_into(&trace);
  const auto whole_id = whole->submit(test::greedy(tokens, 10));
  REQUIRE(whole_id);
  for (bool more = true; more;) {
    const auto stepped = session->step();
    REQUIRE(stepped);
    more = *stepped;
    REQUIRE(whole->step());
    for (size_t layer = 0; layer < kLayers; ++layer) {
      const Routing& routing = last_trace(*whole).routing[layer];
      const std::set<uint32_t> experts(routing.expert_ids.begin(), routing.expert_ids.end());
      cache.visit();
      std::set<uint32_t> kept;
      for (const uint32_t expert : experts) {
        cache.use(layer * kExperts + expert);
        if (const uint32_t slot = cache.slot_of(layer * kExperts + expert); slot != ExpertCache::kNone) kept.insert(slot);
      }
      for (const uint32_t expert : experts) {
        if (cache.slot_of(layer * kExperts + expert) != ExpertCache::kNone) continue;
        kept.insert(cache.place(layer * kExperts + expert, [&](uint32_t slot) { return kept.contains(slot); }));
        ++missed;
        for (const Slot slot : {Slot::ffn_gate_exps, Slot::ffn_up_exps, Slot::ffn_down_exps}) {
          const Tensor& tensor = model->impl().weights.get(slot, layer);
          const size_t begin = tensor.file_offset + expert * tensor.slice_bytes(), end = begin + tensor.slice_bytes();
          bytes += (end + 4095) / 4096 * 4096 - begin / 4096 * 4096;
        }
      }
    }
  }
  const auto completion = session->take(*id);
  REQUIRE(completion);
  CHECK(both(completion->cost, &PhaseCost::expert_disk_reads) == missed);
  CHECK(both(completion->cost, &PhaseCost::disk_bytes) == bytes);
  CHECK(missed < both(completion->cost, &PhaseCost::expert_reads));
  const CacheReplay replay = replay_trace(trace, slots)[1];
  CHECK(replay.policy == "lrfu");
  CHECK(replay.misses == missed);
  CHECK(replay.reads == both(completion->cost, &PhaseCost::expert_reads));
}

TEST_CASE("requests of a step share what it read", "[experts]") {
  const TempFolder folder;
  const fs::path packed = packed_mixture(folder);
  const auto model = load_within(packed, ram_for(packed, 6));
  const auto alone = session_of(test::load(packed), 24);
  const auto session = session_of(model, 24);
  std::vector<RequestId> ids;
  std::vector<std::vector<TokenId>> expected;
  for (size_t i = 0; i < 3; ++i) {
    expected.push_back(complete(*alone, test::some_tokens(9 + i, i), 6).ids);
    const auto id = session->submit(test::greedy(test::some_tokens(9 + i, i), 6));
    REQUIRE(id);
    ids.push_back(*id);
  }
  uint64_t reads = 0, bytes = 0, visited = 0;
  for (bool more = true; more;) {
    const auto stepped = session->step();
    REQUIRE(stepped);
    more = *stepped;
    for (size_t layer = 0; layer < kLayers; ++layer) {
      const Routing& routing = last_trace(*session).routing[layer];
      visited += std::set<uint32_t>(routing.expert_ids.begin(), routing.expert_ids.end()).size();
      for (const ExpertRead& read : last_trace(*session).reads[layer]) {
        ++reads;
        bytes += read.bytes;
      }
    }
  }
  uint64_t shared_reads = 0, shared_bytes = 0, shared_visits = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto completion = session->take(ids[i]);
    REQUIRE(completion);
    CHECK(completion->ids.size() == 6);
    shared_reads += both(completion->cost, &PhaseCost::expert_disk_reads);
    shared_bytes += both(completion->cost, &PhaseCost::disk_bytes);
    shared_visits += both(completion->cost, &PhaseCost::expert_reads);
    uint64_t by_layer = 0;
    for (const auto& layer : completion->cost.decode.experts_by_layer) by_layer += layer.reads;
    CHECK(by_layer == completion->cost.decode.expert_reads);
  }
  CHECK(reads > 0);
  CHECK(shared_reads == reads);
  CHECK(shared_bytes == bytes);
  CHECK(shared_visits == visited);
}

TEST_CASE("sessions in several threads share the slots", "[experts]") {
  const TempFolder folder;
  const fs::path packed = packed_mixture(folder);
  const auto resident = test::load(packed);
  const auto model = load_within(packed, ram_for(packed, 2));  // fewer than one of them wants
  std::vector<std::vector<float>> logits(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < logits.size(); ++i) {
    threads.emplace_back([&, i] {
      SessionOptions options;
      options.threads = 1;
      options.ctx = 96;
      auto session = Session::create(model, options);
      if (!session) return;
      for (int round = 0; round < 2; ++round) {
        if (auto result = (*session)->logits(test::some_tokens(10, i), 5)) logits[i] = *std::move(result);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < logits.size(); ++i) {
    CHECK(logits[i] == test::logits_of(*session_of(resident), test::some_tokens(10, i), 5));
  }
}

TEST_CASE("a file that fails while it is used gives an error", "[experts]") {
  const TempFolder folder;
  const fs::path packed = packed_mixture(folder);
  const auto expected = complete(*session_of(test::load(packed)), test::some_tokens(20), 8).ids;
  const auto model = load_within(packed, ram_for(packed, 4));
  const auto session = session_of(model);
  CHECK(complete(*session, test::some_tokens(20), 8).ids == expected);

  const std::string whole = tools_test::read_file(packed);
  fs::resize_file(packed, model->impl().weights.get(Slot::ffn_gate_exps, 0).file_offset);
  const auto failed = session->generate(test::greedy(test::some_tokens(20, 2), 8));
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::corrupt_file);
  CHECK(failed.error().message.find("m.packed") != std::string::npos);
  CHECK(failed.error().message.find("cut short while in use") != std::string::npos);
  CHECK_FALSE(session->logits(test::some_tokens(20, 3)));

  // The file is back, and so is the session, once reads that were asked for before have failed too.
  std::ofstream(packed, std::ios::binary | std::ios::in | std::ios::out) << whole;
  for (int look = 0; look < 100 && !session->logits(test::some_tokens(20)); ++look) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(complete(*session, test::some_tokens(20), 8).ids == expected);
}

TEST_CASE("a file that is renamed over stays the one that was opened", "[experts]") {
  const TempFolder folder;
  const fs::path packed = packed_mixture(folder);
  const auto expected = complete(*session_of(test::load(packed)), test::some_tokens(20), 8).ids;
  const auto model = load_within(packed, ram_for(packed, 4));
  std::ofstream(folder / "other") << "something else";
  fs::rename(folder / "other", packed);
  CHECK(complete(*session_of(model), test::some_tokens(20), 8).ids == expected);
}

TEST_CASE("a budget that cannot be kept is refused and says why", "[experts]") {
  const TempFolder folder;
  const fs::path packed = packed_mixture(folder);
  const auto refused = [](const fs::path& path, uint64_t ram) {
    LoadOptions options;
    options.ram_bytes = ram;
    const auto model = Model::load(path, options);
    REQUIRE_FALSE(model);
    return model.error();
  };
  CHECK(refused(folder / "m.gguf", 1000).message.find("siskin pack") != std::string::npos);
  CHECK(refused(packed, ram_for(packed, 1) - 1).code == ErrorCode::invalid_argument);
  CHECK(load_within(packed, ram_for(packed, 1))->info().expert_slots == 1);

  const fs::path shape = folder / "dense.txt";
  std::ofstream(shape) << "name = d\narchitecture = llama\nn_layers = 1\nd_model = 64\nn_heads = 4\nn_kv_heads = 2\nd_ff = 96\n"
                          "n_vocab = 301\nctx = 64\n";
  SynthOptions options;
  options.like = shape.string();
  options.type = "q4_0";
  REQUIRE(synthesize_model(folder / "d.gguf", options));
  CHECK(refused(folder / "d.gguf", 1000).message.find("no experts") != std::string::npos);
}
