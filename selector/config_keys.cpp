// The table of configuration keys and the edit distance over it.
#include "selector/config_keys.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace siskin::selector {
namespace {

constexpr KnownKey kKeys[] = {
    {"", "task", true},
    {"", "workload", true},
    {"", "budget", true},
    {"", "volume", true},
    {"", "quality", true},
    {"", "price", true},
    {"", "measure", true},
    {"", "candidate", true},
    {"task", "text", true},
    {"task", "items", true},
    {"task", "metric", true},
    {"workload", "prompt_tokens", true},
    {"workload", "output_tokens", true},
    {"workload", "arrivals", true},
    {"workload", "seed", true},
    {"budget", "latency_ms", true},
    {"budget", "ttft_ms", true},
    {"budget", "parts", true},
    {"budget", "ram_gb", true},
    {"budget", "confidence", true},
    {"budget.latency_ms", "p50", true},
    {"budget.latency_ms", "p95", true},
    {"budget.latency_ms", "p99", true},
    {"budget.ttft_ms", "p50", true},
    {"budget.ttft_ms", "p95", true},
    {"budget.ttft_ms", "p99", true},
    {"budget.parts", "preprocess", true},
    {"budget.parts", "network", true},
    {"budget.parts.preprocess", "p50", true},
    {"budget.parts.preprocess", "p99", true},
    {"budget.parts.preprocess", "samples", true},
    {"budget.parts.network", "p50", true},
    {"budget.parts.network", "p99", true},
    {"budget.parts.network", "samples", true},
    {"volume", "qps", true},
    {"volume", "usd_per_month", true},
    {"quality", "reference", true},
    {"quality", "max_loss", true},
    {"quality", "min", true},
    {"quality", "confidence", true},
    {"price", "usd_per_hour", true},
    {"price", "headroom", true},
    {"price", "min_replicas", true},
    {"measure", "stop", true},
    {"measure", "docs", true},
    {"measure", "requests", true},
    {"measure", "seconds", true},
    {"measure", "max_seconds", true},
    {"measure", "threads", true},
    {"candidate", "name", true},
    {"candidate", "model", true},
    {"candidate", "variants", true},
    {"candidate", "cascade", false},
    {"candidate", "remote", false},
    {"candidate", "top_k", false},
    {"candidate", "prune", false},
    {"candidate.variants", "prune", false},
    {"candidate.variants", "top_k", false},
};

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::span<const KnownKey> known_keys() { return kKeys; }

const KnownKey* find_key(std::string_view section, std::string_view key) {
  for (const KnownKey& known : kKeys) {
    if (known.section == section && known.key == key) return &known;
  }
  return nullptr;
}

std::string nearest_of(std::string_view word, std::span<const std::string_view> known) {
  std::string_view best;
  size_t best_distance = static_cast<size_t>(-1);
  for (const std::string_view candidate : known) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return std::string(best);
}

std::string nearest_key(std::string_view section, std::string_view key) {
  std::string_view best;
  size_t best_distance = static_cast<size_t>(-1);
  for (const KnownKey& known : kKeys) {
    if (!known.built) continue;
    // Two edits of handicap: a key that was put under the wrong heading is still named, a near one of this heading wins.
    const size_t distance = edit_distance(key, known.key) + (known.section == section ? 0 : 2);
    if (distance < best_distance) {
      best_distance = distance;
      best = known.key;
    }
  }
  return std::string(best);
}

}  // namespace siskin::selector
