// replay_trace: a cache of experts meets a trace, token by token.
#include <siskin/trace.h>

#include <algorithm>
#include <limits>

#include "engine/experts/cache.h"
#include "formats/check.h"

namespace siskin {
namespace {

// The experts of a token and layer, ascending, each once: what a step of one token asks the store for.
std::vector<size_t> asked(const RoutingTrace& trace, size_t token, size_t layer) {
  std::vector<size_t> keys;
  for (const uint16_t expert : trace.experts_of(token, layer)) keys.push_back(layer * trace.n_experts + expert);
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

template <class Visit>
void for_visits(const RoutingTrace& trace, Visit&& visit) {
  for (size_t token = 0; token < trace.n_tokens(); ++token) {
    for (size_t layer = 0; layer < trace.n_layers; ++layer) {
      const std::vector<size_t> keys = asked(trace, token, layer);
      if (!keys.empty()) visit(layer, keys);
    }
  }
}

void count(CacheReplay& replay, uint64_t bytes, bool missed) {
  ++replay.reads;
  replay.memory_bytes += bytes;
  if (!missed) return;
  ++replay.misses;
  replay.disk_bytes += bytes;
}

// As DiskExperts asks: what is there is held, then the others are placed. A token that asks for more than is kept works in parts.
CacheReplay replay_policy(const RoutingTrace& trace, size_t kept, Eviction eviction, const char* name) {
  CacheReplay replay{kept, name, 0, 0, 0, 0};
  ExpertCache cache(trace.n_layers, trace.n_experts, kept, eviction);
  std::vector<uint32_t> held(kept, ExpertCache::kNone);  // the visit that holds each slot
  uint32_t now = 0;
  for_visits(trace, [&](size_t layer, const std::vector<size_t>& keys) {
    cache.visit();
    ++now;
    std::vector<size_t> missing;
    for (const size_t key : keys) {
      cache.use(key);
      const uint32_t slot = cache.slot_of(key);
      if (slot == ExpertCache::kNone) {
        missing.push_back(key);
      } else {
        held[slot] = now;
      }
      count(replay, trace.expert_bytes[layer], slot == ExpertCache::kNone);
    }
    for (const size_t key : missing) {
      uint32_t slot = cache.place(key, [&](uint32_t other) { return held[other] == now; });
      if (slot == ExpertCache::kNone) {  // the next part: nothing of this one is held any more
        std::fill(held.begin(), held.end(), ExpertCache::kNone);
        slot = cache.place(key, [](uint32_t) { return false; });
      }
      held[slot] = now;
    }
  });
  return replay;
}

// Belady's: who is used again last goes (IBM Systems Journal 5(2), 1966).
CacheReplay replay_best(const RoutingTrace& trace, size_t kept) {
  CacheReplay replay{kept, "best", 0, 0, 0, 0};
  constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();
  std::vector<std::vector<uint64_t>> uses(trace.n_layers * trace.n_experts);  // visits, ascending
  uint64_t visit = 0;
  for_visits(trace, [&](size_t, const std::vector<size_t>& keys) {
    for (const size_t key : keys) uses[key].push_back(visit);
    ++visit;
  });
  std::vector<size_t> next(uses.size());  // into uses
  std::vector<size_t> slots;
  std::vector<bool> here(uses.size());
  const auto next_use = [&](size_t key) { return next[key] < uses[key].size() ? uses[key][next[key]] : kNever; };
  for_visits(trace, [&](size_t layer, const std::vector<size_t>& keys) {
    for (const size_t key : keys) ++next[key];
    for (const size_t key : keys) {
      count(replay, trace.expert_bytes[layer], !here[key]);
      if (here[key]) continue;
      if (slots.size() < kept) {
        slots.push_back(key);
      } else {
        const auto last = std::max_element(slots.begin(), slots.end(), [&](size_t a, size_t b) { return next_use(a) < next_use(b); });
        here[*last] = false;
        *last = key;
      }
      here[key] = true;
    }
  });
  return replay;
}

}  // namespace

std::vector<CacheReplay> replay_trace(const RoutingTrace& trace, size_t kept) {
  SISKIN_CHECK(kept > 0);
  kept = std::min(kept, trace.n_layers * trace.n_experts);
  return {replay_policy(trace, kept, Eviction::lru, "lru"), replay_policy(trace, kept, Eviction::lrfu, "lrfu"),
          replay_best(trace, kept)};
}

}  // namespace siskin
