// siskin inspect: what a model is, from its headers alone.
#include <fmt/format.h>
#include <siskin/model.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "examples/siskin/cli/command_line.h"
#include "examples/siskin/cli/units.h"
#include "examples/siskin/commands.h"

namespace siskin::cli {
namespace {

size_t n_mixture_layers(const ModelInfo& info) {
  return static_cast<size_t>(std::count(info.mixture_layers.begin(), info.mixture_layers.end(), true));
}

nlohmann::ordered_json to_document(const ModelInfo& info) {
  auto types = nlohmann::ordered_json::object();
  for (const auto& [type, totals] : info.tensors_by_type)
    types[type] = {{"tensors", totals.tensors}, {"params", totals.params}, {"bytes", totals.bytes}};
  return {{"name", info.name},
          {"architecture", info.architecture},
          {"type", info.type},
          {"n_layers", info.n_layers},
          {"d_model", info.d_model},
          {"n_heads", info.n_heads},
          {"n_kv_heads", info.n_kv_heads},
          {"head_dim", info.head_dim},
          {"d_ff", info.d_ff},
          {"n_experts", info.n_experts},
          {"top_k", info.top_k},
          {"d_expert", info.d_expert},
          {"d_shared", info.d_shared},
          {"n_mixture_layers", n_mixture_layers(info)},
          {"n_vocab", info.n_vocab},
          {"ctx_train", info.ctx_train},
          {"tokenizer", info.tokenizer},
          {"total_params", info.total_params},
          {"active_params", info.active_params},
          {"file_bytes", info.file_bytes},
          {"unused_tensors", info.unused_tensors},
          {"unused_bytes", info.unused_bytes},
          {"weight_bytes", info.weight_bytes},
          {"active_weight_bytes", info.active_weight_bytes},
          {"padding_bytes", info.padding_bytes},
          {"bits_per_weight", info.bits_per_weight},
          {"kv_bytes_per_token", info.kv_bytes_per_token},
          {"memory_needed_bytes", info.memory_needed_bytes},
          {"ctx", info.ctx},
          {"tensors_by_type", std::move(types)},
          {"notes", info.notes}};
}

void print_text(const ModelInfo& info) {
  const auto bytes = [](uint64_t n) { return human_bytes(static_cast<double>(n)); };
  const auto row = [](const char* label, const std::string& value) { fmt::print("{:<18} {}\n", label, value); };
  row("name", info.name);
  row("architecture", fmt::format("{}, mostly {}", info.architecture, info.type));
  row("shape", fmt::format("{} layers, width {}, {} heads of {} ({} for keys and values), feed-forward {}", info.n_layers,
                           info.d_model, info.n_heads, info.head_dim, info.n_kv_heads, info.d_ff));
  if (info.n_experts > 0) {
    row("experts",
        fmt::format("{} of width {} in {} layers, {} per token{}", info.n_experts, info.d_expert, n_mixture_layers(info),
                    info.top_k, info.d_shared > 0 ? fmt::format(", beside {} shared", info.d_shared) : ""));
  }
  row("vocabulary", fmt::format("{} tokens, tokenizer {}", info.n_vocab, info.tokenizer));
  row("trained context", fmt::format("{}", info.ctx_train));
  row("parameters", fmt::format("{} total, {} active per token", human_count(static_cast<double>(info.total_params)),
                                human_count(static_cast<double>(info.active_params))));
  row("file", fmt::format("{}, {:.2f} bits per weight", bytes(info.file_bytes), info.bits_per_weight));
  if (info.unused_tensors > 0)
    row("left out", fmt::format("{} tensors, {}: layers that draft several tokens at once (multi-token prediction) are not run",
                                info.unused_tensors, bytes(info.unused_bytes)));
  row("weights in memory", fmt::format("{} ({} of it padding); a decoded token reads {}", bytes(info.weight_bytes),
                                       bytes(info.padding_bytes), bytes(info.active_weight_bytes)));
  row("memory needed", fmt::format("{} at context {} ({} of keys and values per token)", bytes(info.memory_needed_bytes),
                                   info.ctx, bytes(info.kv_bytes_per_token)));
  for (const auto& [type, totals] : info.tensors_by_type)
    row("tensors", fmt::format("{}: {} with {} parameters, {}", type, totals.tensors,
                               human_count(static_cast<double>(totals.params)), bytes(totals.bytes)));
  for (const std::string& note : info.notes) row("note", note);
}

}  // namespace

int inspect_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "inspect", "What a model is: architecture, shapes, tokenizer, parameters, memory need");
  line.with_model().with_ctx("Context that the memory need assumes (default: the trained one, at most 4096)").with_json();
  line.without("--overlay");
  if (const auto status = line.parse(argc, argv)) return *status;

  const auto info = Model::inspect(line.flags.model, line.flags.ctx);
  if (!info) return line.fail(info.error());
  if (line.flags.json) return line.print_json(to_document(*info));
  print_text(*info);
  return line.finish_stdout();
}

}  // namespace siskin::cli
