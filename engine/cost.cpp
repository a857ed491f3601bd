// How a Cost is written: JSON for programs, a table for people.

#include <siskin/cost.h>

#include <cstdio>

#include <nlohmann/json.hpp>

namespace siskin {
namespace {

constexpr const char* kRoleNames[kRoles] = {"embedding", "attention", "router", "experts", "shared_experts",
                                            "ffn",       "norms",     "head",   "other"};

nlohmann::ordered_json phase_json(const PhaseCost& cost) {
  nlohmann::ordered_json roles;
  for (size_t role = 0; role < kRoles; ++role) roles[kRoleNames[role]] = cost.weight_bytes_by_role[role];
  nlohmann::ordered_json json;
  json["tokens"] = cost.tokens;
  json["total_params"] = cost.total_params;
  json["active_params"] = cost.active_params;
  json["active_params_per_token"] = cost.active_params_per_token;
  json["params_touched"] = cost.params_touched;
  json["steps"] = cost.steps;
  json["experts_touched"] = cost.experts_touched;
  json["expert_reads"] = cost.expert_reads;
  json["expert_disk_reads"] = cost.expert_disk_reads;
  json["experts_by_layer"] = nlohmann::ordered_json::array();
  for (const PhaseCost::LayerExperts& layer : cost.experts_by_layer) {
    json["experts_by_layer"].push_back({{"touched", layer.touched}, {"reads", layer.reads}});
  }
  json["experts_per_token"] = cost.experts_per_token;
  json["weight_bytes"] = cost.weight_bytes;
  json["weight_bytes_by_role"] = roles;
  json["padding_bytes"] = cost.padding_bytes;
  json["kv_read_bytes"] = cost.kv_read_bytes;
  json["kv_write_bytes"] = cost.kv_write_bytes;
  json["disk_bytes"] = cost.disk_bytes;
  json["flops"] = cost.flops();
  json["flops_by_unit"] = {{"f32", cost.flops_f32}, {"int8", cost.flops_int8}, {"bf16", cost.flops_bf16}};
  json["seconds"] = cost.seconds;
  json["gb_s"] = cost.gb_s;
  json["bandwidth_share"] = cost.bandwidth_share ? nlohmann::ordered_json(*cost.bandwidth_share) : nullptr;
  json["flops_share"] = cost.flops_share ? nlohmann::ordered_json(*cost.flops_share) : nullptr;
  return json;
}

std::string format(const char* pattern, auto... values) {
  char line[160];
  std::snprintf(line, sizeof line, pattern, values...);
  return line;
}

std::string share_text(const std::optional<double>& share) {
  return share ? format("%5.1f %%", 100 * *share) : "not measured";
}

// Distinct experts of a step, layer by layer, mean over the steps.
std::string experts_by_layer_text(const PhaseCost& cost) {
  constexpr size_t kLayersPerLine = 16;
  std::string text = "    read per step, by layer";
  size_t shown = 0;
  for (size_t layer = 0; layer < cost.experts_by_layer.size(); ++layer) {
    if (cost.experts_by_layer[layer].touched == 0) continue;
    if (shown++ % kLayersPerLine == 0) text += format("\n    %3zu:", layer);
    text += format(" %.1f", static_cast<double>(cost.experts_by_layer[layer].reads) / static_cast<double>(cost.steps));
  }
  return text + "\n";
}

std::string phase_text(const char* name, const PhaseCost& cost) {
  if (cost.tokens == 0) return format("%-8s no tokens\n", name);
  const double tokens = static_cast<double>(cost.tokens);
  std::string text = format("%-8s %llu tokens in %.4f s (%.1f tok/s)\n", name, static_cast<unsigned long long>(cost.tokens),
                            cost.seconds, tokens / cost.seconds);
  text += format("  parameters   %.0f active per token of %llu (%.1f %%), %llu touched\n", cost.active_params_per_token,
                 static_cast<unsigned long long>(cost.total_params),
                 100 * cost.active_params_per_token / static_cast<double>(cost.total_params),
                 static_cast<unsigned long long>(cost.params_touched));
  if (cost.experts_touched > 0) {
    text += format("  experts      %.2f per token and layer, %llu (layer, expert) pairs touched\n", cost.experts_per_token,
                   static_cast<unsigned long long>(cost.experts_touched));
    text += experts_by_layer_text(cost);
  }
  text += format("  weights read %llu bytes (%.0f per token, %llu padding)\n", static_cast<unsigned long long>(cost.weight_bytes),
                 static_cast<double>(cost.weight_bytes) / tokens, static_cast<unsigned long long>(cost.padding_bytes));
  for (size_t role = 0; role < kRoles; ++role) {
    if (cost.weight_bytes_by_role[role] == 0) continue;
    text += format("    %-14s %14llu  %5.1f %%\n", kRoleNames[role],
                   static_cast<unsigned long long>(cost.weight_bytes_by_role[role]),
                   100 * static_cast<double>(cost.weight_bytes_by_role[role]) / static_cast<double>(cost.weight_bytes));
  }
  if (cost.disk_bytes > 0) {
    text += format("  from disk    %llu bytes, %llu of %llu expert reads (%.1f %% were in memory)\n",
                   static_cast<unsigned long long>(cost.disk_bytes), static_cast<unsigned long long>(cost.expert_disk_reads),
                   static_cast<unsigned long long>(cost.expert_reads),
                   100 - 100 * static_cast<double>(cost.expert_disk_reads) / static_cast<double>(cost.expert_reads));
  }
  text += format("  KV cache     %llu bytes read, %llu written\n", static_cast<unsigned long long>(cost.kv_read_bytes),
                 static_cast<unsigned long long>(cost.kv_write_bytes));
  text += format("  bandwidth    %.2f GB/s, %s of what this machine reads\n", cost.gb_s, share_text(cost.bandwidth_share).c_str());
  text += format("  arithmetic   %.2f GFLOP/s, %s of this machine's peak\n",
                 static_cast<double>(cost.flops()) / cost.seconds / 1e9, share_text(cost.flops_share).c_str());
  return text;
}

}  // namespace

const char* role_name(Role role) { return kRoleNames[static_cast<size_t>(role)]; }

std::string to_json(const Cost& cost) {
  const nlohmann::ordered_json json = {{"prefill", phase_json(cost.prefill)}, {"decode", phase_json(cost.decode)}};
  return json.dump();
}

std::string to_text(const Cost& cost) { return phase_text("prefill", cost.prefill) + phase_text("decode", cost.decode); }

}  // namespace siskin
