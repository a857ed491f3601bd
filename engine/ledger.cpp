#include "engine/ledger.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "formats/check.h"
#include "kernels/select.h"

namespace siskin {
namespace {

__extension__ using Wide = unsigned __int128;

// Of a row's product with `slices` matrices of a tensor.
void add_flops(const Tensor& tensor, size_t slices, TypeFlops& flops) {
  const uint64_t n = 2 * slices * tensor.slice_params();
  if (tensor.type == DType::F32) {
    flops.f32 += n;
  } else if (tensor.type == DType::F16) {
    flops.f16 += n;
  } else if (tensor.type == DType::BF16) {
    flops.bf16 += n;
  } else if (tensor.type == DType::FP8) {
    flops.fp8 += n;
  } else {
    flops.blocks += n;
  }
}

// Adds `rows` times `flops` to the units that run them when the whole product has `product_rows`.
template <class Totals>
void count_flops(const TypeFlops& flops, uint64_t rows, const KernelTable& kernels, uint64_t product_rows, Totals& totals) {
  const auto on_bf16 = [&](DType type) { return uses_bf16(kernels, type, product_rows); };
  totals.flops_f32 += rows * flops.f32;
  (on_bf16(DType::F16) ? totals.flops_bf16 : totals.flops_f32) += rows * flops.f16;
  (on_bf16(DType::BF16) ? totals.flops_bf16 : totals.flops_f32) += rows * flops.bf16;
  (on_bf16(DType::FP8) ? totals.flops_bf16 : totals.flops_f32) += rows * flops.fp8;
  (on_bf16(DType::Q8_0) ? totals.flops_bf16 : totals.flops_int8) += rows * flops.blocks;
}

uint64_t count_set(const std::vector<bool>& bits) { return static_cast<uint64_t>(std::count(bits.begin(), bits.end(), true)); }

}  // namespace

std::vector<uint64_t> split_exactly(uint64_t total, const std::vector<uint64_t>& parts) {
  const uint64_t sum = std::accumulate(parts.begin(), parts.end(), uint64_t{0});
  SISKIN_CHECK(sum > 0);
  std::vector<uint64_t> shares(parts.size());
  std::vector<std::pair<uint64_t, size_t>> remainders;  // negated order: largest first, then lowest index
  uint64_t given = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Wide product = static_cast<Wide>(total) * parts[i];
    shares[i] = static_cast<uint64_t>(product / sum);
    remainders.emplace_back(static_cast<uint64_t>(product % sum), i);
    given += shares[i];
  }
  std::sort(remainders.begin(), remainders.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  for (uint64_t i = 0; i < total - given; ++i) ++shares[remainders[i].second];
  return shares;
}

Ledger::Ledger(const ModelSpec& spec, const Weights& weights) : spec_(spec), tied_(weights.tied_head()) {
  expert_layers_.resize(spec.n_layers);
  for (const Tensor& tensor : weights.tensors()) {
    total_params_ += tensor.params();
    padding_ += tensor.slice_padding() * tensor.n_slices;
    if (tensor.role != Role::experts) continue;
    ExpertLayer& expert = expert_layers_[tensor.layer];
    expert.bytes += tensor.slice_bytes();
    expert.padding += tensor.slice_padding();
    expert.params += tensor.slice_params();
    if (!tensor.is_vector) add_flops(tensor, 1, expert.flops);
  }
  for (const ExpertLayer& expert : expert_layers_) {
    moe_layers_ += expert.params > 0;
    expert_params_ += expert.params * spec.n_experts;
  }
  const Tensor& head = weights.head();
  const Tensor& embedding = weights.get(Slot::token_embd);
  const Tensor& last_norm = weights.get(Slot::output_norm);
  const Tensor *head_bias = weights.find(Slot::output_bias), *norm_bias = weights.find(Slot::output_norm_bias);
  head_ = {head.slice_bytes() + (head_bias == nullptr ? 0 : head_bias->bytes()), head.slice_padding()};
  head_params_ = head.params() + (head_bias == nullptr ? 0 : head_bias->params());
  add_flops(head, 1, head_flops_);
  last_norm_bytes_ = last_norm.slice_bytes() + (norm_bias == nullptr ? 0 : norm_bias->bytes());
  last_norm_params_ = last_norm.params() + (norm_bias == nullptr ? 0 : norm_bias->params());
  row_bytes_ = embedding.row_bytes();
  row_padding_ = row_bytes_ - row_bytes(embedding.type, embedding.cols);
  for (const Tensor& tensor : weights.tensors()) {
    const bool is_rope = &tensor == weights.find(Slot::rope_freqs) || &tensor == weights.find(Slot::rope_factors_long) ||
                         &tensor == weights.find(Slot::rope_factors_short);
    // Those are read once, when a session makes its table.
    if (is_rope || &tensor == &head || &tensor == &embedding || &tensor == &last_norm) continue;
    if (&tensor == head_bias || &tensor == norm_bias) continue;
    if (tensor.role == Role::experts) continue;
    RoleBytes& role = always_[static_cast<size_t>(tensor.role)];
    role.bytes += tensor.bytes();
    role.padding += tensor.slice_padding() * tensor.n_slices;
    always_params_ += tensor.params();
    if (!tensor.is_vector) add_flops(tensor, tensor.n_slices, always_flops_);
  }
  active_params_ = total_params_;
  for (const ExpertLayer& expert : expert_layers_) active_params_ -= expert.params * (spec.n_experts - spec.top_k);
}

Account Ledger::open(uint64_t kv_position_bytes) const {
  Account account;
  account.ledger_ = this;
  account.kv_position_bytes_ = kv_position_bytes;
  for (auto& phase : account.phases_) {
    phase.experts.resize(spec_.n_layers * spec_.n_experts);
    phase.reads.resize(moe_layers_ > 0 ? spec_.n_layers : 0);
    phase.rows.resize(spec_.n_vocab);
  }
  return account;
}

uint64_t Ledger::active_weight_bytes() const {
  uint64_t bytes = row_bytes_ + head_.bytes + last_norm_bytes_;
  for (const RoleBytes& role : always_) bytes += role.bytes;
  for (const ExpertLayer& expert : expert_layers_) bytes += expert.bytes * spec_.top_k;
  return bytes;
}

void Ledger::post(const StepPlan& plan, const StepTrace& trace, const KernelTable& kernels, double seconds,
                  const std::vector<Account*>& accounts, const std::vector<Phase>& phases) const {
  for (size_t i = 0; i < plan.slices.size(); ++i) {
    const StepSlice& slice = plan.slices[i];
    Account::PhaseTotals& totals = accounts[i]->phases_[static_cast<size_t>(phases[i])];
    const uint64_t n = slice.tokens.size(), first = slice.first_position;
    totals.steps += 1;
    totals.tokens += n;
    totals.logits += slice.n_logits;
    totals.seconds += seconds;
    totals.kv_write += accounts[i]->kv_position_bytes_ * n;
    const uint64_t layer_bytes = accounts[i]->kv_position_bytes_ / spec_.n_layers;  // of a position
    for (size_t layer = 0; layer < spec_.n_layers; ++layer) {
      totals.kv_read += layer_bytes * (first + n - spec_.first_visible(layer, first));
      // A query meets the keys and values that it sees: a multiply-add per element.
      totals.flops_f32 += 2 * spec_.n_heads * (spec_.key_width() + spec_.value_width()) * spec_.visible_pairs(layer, first, n);
    }
    count_flops(always_flops_, n, kernels, plan.n_tokens(), totals);
    count_flops(head_flops_, slice.n_logits, kernels, plan.n_logits(), totals);
  }
  post_always(plan, accounts, phases);
  if (plan.n_logits() > 0) post_head(plan, accounts, phases);
  post_embedding(plan, accounts, phases);
  post_experts(plan, trace, kernels, accounts, phases);
}

void Ledger::post_always(const StepPlan& plan, const std::vector<Account*>& accounts, const std::vector<Phase>& phases) const {
  std::vector<uint64_t> tokens;
  for (const StepSlice& slice : plan.slices) tokens.push_back(slice.tokens.size());
  for (size_t role = 0; role < kRoles; ++role) {
    const std::vector<uint64_t> bytes = split_exactly(always_[role].bytes, tokens);
    const std::vector<uint64_t> padding = split_exactly(always_[role].padding, tokens);
    for (size_t i = 0; i < tokens.size(); ++i) {
      Account::PhaseTotals& totals = accounts[i]->phases_[static_cast<size_t>(phases[i])];
      totals.bytes[role] += bytes[i];
      totals.padding += padding[i];
    }
  }
}

void Ledger::post_head(const StepPlan& plan, const std::vector<Account*>& accounts, const std::vector<Phase>& phases) const {
  std::vector<uint64_t> rows;
  for (const StepSlice& slice : plan.slices) rows.push_back(slice.n_logits);
  const std::vector<uint64_t> head = split_exactly(head_.bytes, rows), padding = split_exactly(head_.padding, rows);
  const std::vector<uint64_t> norm = split_exactly(last_norm_bytes_, rows);
  for (size_t i = 0; i < rows.size(); ++i) {
    Account::PhaseTotals& totals = accounts[i]->phases_[static_cast<size_t>(phases[i])];
    totals.bytes[static_cast<size_t>(Role::head)] += head[i];
    totals.bytes[static_cast<size_t>(Role::norms)] += norm[i];
    totals.padding += padding[i];
  }
}

void Ledger::post_embedding(const StepPlan& plan, const std::vector<Account*>& accounts,
                            const std::vector<Phase>& phases) const {
  std::map<int32_t, std::vector<uint64_t>> uses;  // distinct token ids of the step, and how often each request used them
  for (size_t i = 0; i < plan.slices.size(); ++i) {
    for (const int32_t token : plan.slices[i].tokens) {
      std::vector<uint64_t>& counts = uses[token];
      counts.resize(plan.slices.size());
      ++counts[i];
      accounts[i]->phases_[static_cast<size_t>(phases[i])].rows[static_cast<size_t>(token)] = true;
    }
  }
  for (const auto& [token, counts] : uses) {
    const std::vector<uint64_t> bytes = split_exactly(row_bytes_, counts), padding = split_exactly(row_padding_, counts);
    for (size_t i = 0; i < counts.size(); ++i) {
      Account::PhaseTotals& totals = accounts[i]->phases_[static_cast<size_t>(phases[i])];
      totals.bytes[static_cast<size_t>(Role::embedding)] += bytes[i];
      totals.padding += padding[i];
    }
  }
}

void Ledger::post_experts(const StepPlan& plan, const StepTrace& trace, const KernelTable& kernels,
                          const std::vector<Account*>& accounts, const std::vector<Phase>& phases) const {
  if (moe_layers_ == 0) return;
  const size_t n_slices = plan.slices.size();
  std::vector<size_t> slice_of;  // of each token of the step
  for (size_t i = 0; i < n_slices; ++i) slice_of.insert(slice_of.end(), plan.slices[i].tokens.size(), i);
  for (size_t layer = 0; layer < spec_.n_layers; ++layer) {
    const Routing& routing = trace.routing[layer];
    const ExpertLayer& cost = expert_layers_[layer];
    std::map<uint32_t, std::vector<uint64_t>> uses;  // touched experts, and tokens of each request there
    for (size_t token = 0; token < routing.n_tokens(); ++token) {
      for (uint32_t entry = routing.offsets[token]; entry < routing.offsets[token + 1]; ++entry) {
        std::vector<uint64_t>& counts = uses[routing.expert_ids[entry]];
        counts.resize(n_slices);
        ++counts[slice_of[token]];
      }
    }
    for (const auto& [expert, counts] : uses) {
      const std::vector<uint64_t> bytes = split_exactly(cost.bytes, counts), padding = split_exactly(cost.padding, counts);
      const std::vector<uint64_t> read = split_exactly(1, counts);
      const auto from_disk = std::find_if(trace.reads[layer].begin(), trace.reads[layer].end(),
                                          [id = expert](const ExpertRead& on_disk) { return on_disk.expert == id; });
      const bool was_read = from_disk != trace.reads[layer].end();
      const std::vector<uint64_t> disk = split_exactly(was_read ? from_disk->bytes : 0, counts);
      const uint64_t rows = std::accumulate(counts.begin(), counts.end(), uint64_t{0});
      for (size_t i = 0; i < n_slices; ++i) {
        if (counts[i] == 0) continue;
        Account::PhaseTotals& totals = accounts[i]->phases_[static_cast<size_t>(phases[i])];
        totals.bytes[static_cast<size_t>(Role::experts)] += bytes[i];
        totals.padding += padding[i];
        totals.reads[layer] += read[i];
        totals.disk += disk[i];
        totals.disk_reads += was_read ? read[i] : 0;
        totals.expert_uses += counts[i];
        totals.expert_params_used += counts[i] * cost.params;
        count_flops(cost.flops, counts[i], kernels, rows, totals);
        totals.experts[layer * spec_.n_experts + expert] = true;
      }
    }
  }
}

Cost Account::cost(const MachineProfile* machine, unsigned threads) const {
  const Ledger& ledger = *ledger_;
  Cost cost;
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    const PhaseTotals& totals = phases_[static_cast<size_t>(phase)];
    PhaseCost& out = phase == Phase::prefill ? cost.prefill : cost.decode;
    out.tokens = totals.tokens;
    out.total_params = ledger.total_params_;
    out.active_params = ledger.active_params_;
    if (totals.tokens == 0) continue;
    const double tokens = static_cast<double>(totals.tokens);
    out.active_params_per_token = static_cast<double>(ledger.total_params_ - ledger.expert_params_) +
                                  static_cast<double>(totals.expert_params_used) / tokens;
    if (ledger.moe_layers_ > 0) {
      out.experts_per_token = static_cast<double>(totals.expert_uses) / tokens / static_cast<double>(ledger.moe_layers_);
    }
    out.steps = totals.steps;
    out.experts_touched = count_set(totals.experts);
    out.experts_by_layer.resize(totals.reads.size());
    for (size_t layer = 0; layer < totals.reads.size(); ++layer) {
      const auto first = totals.experts.begin() + static_cast<std::ptrdiff_t>(layer * ledger.spec_.n_experts);
      const auto touched = std::count(first, first + static_cast<std::ptrdiff_t>(ledger.spec_.n_experts), true);
      out.experts_by_layer[layer] = {static_cast<uint64_t>(touched), totals.reads[layer]};
      out.expert_reads += totals.reads[layer];
    }
    out.expert_disk_reads = totals.disk_reads;
    out.disk_bytes = totals.disk;
    out.params_touched = ledger.always_params_;
    for (size_t i = 0; i < totals.experts.size(); ++i) {
      if (totals.experts[i]) out.params_touched += ledger.expert_layers_[i / ledger.spec_.n_experts].params;
    }
    if (totals.logits > 0) out.params_touched += ledger.head_params_ + ledger.last_norm_params_;
    if (totals.logits == 0 || !ledger.tied_) out.params_touched += count_set(totals.rows) * ledger.spec_.d_model;
    out.weight_bytes_by_role = totals.bytes;
    out.weight_bytes = std::accumulate(totals.bytes.begin(), totals.bytes.end(), uint64_t{0});
    out.padding_bytes = totals.padding;
    out.kv_read_bytes = totals.kv_read;
    out.kv_write_bytes = totals.kv_write;
    out.flops_f32 = totals.flops_f32;
    out.flops_int8 = totals.flops_int8;
    out.flops_bf16 = totals.flops_bf16;
    out.seconds = totals.seconds;
    if (totals.seconds <= 0) continue;
    const double read = static_cast<double>(out.weight_bytes + out.kv_read_bytes);
    out.gb_s = read / totals.seconds / 1e9;
    if (machine == nullptr) continue;
    const double bandwidth = machine->read_bandwidth_at(threads, read / static_cast<double>(totals.steps));
    if (bandwidth > 0) out.bandwidth_share = out.gb_s / bandwidth;
    const auto peak = [&](const std::vector<double>& by_threads) {
      return by_threads.empty() ? 0.0 : by_threads[std::min<size_t>(threads, by_threads.size()) - 1];
    };
    double ideal = 0;  // seconds at the measured peaks; a unit that ran and was not measured leaves the share open
    bool measured = true;
    const auto add = [&](uint64_t flops, const std::vector<double>& by_threads) {
      if (flops == 0) return;
      measured = measured && peak(by_threads) > 0;
      if (measured) ideal += static_cast<double>(flops) / (peak(by_threads) * 1e9);
    };
    add(totals.flops_f32, machine->peak_f32_by_threads);
    add(totals.flops_int8, machine->peak_int8_by_threads);
    add(totals.flops_bf16, machine->peak_bf16_by_threads);
    if (measured) out.flops_share = ideal / totals.seconds;
  }
  return cost;
}

}  // namespace siskin
