#include <siskin/machine.h>
#include <siskin/model.h>
#include <siskin/version.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "engine/experts/disk.h"
#include "engine/model_impl.h"
#include "formats/packed/fnv.h"
#include "formats/try.h"

namespace siskin {
namespace {

// The file's tokenizer; nothing (no error) when it carries none, so that a model without one still runs on ids.
Result<std::optional<Tokenizer>> load_tokenizer(const ModelFile& file, size_t n_vocab) {
  auto tokenizer = file.is_hugging_face() ? Tokenizer::from_folder(file.path()) : Tokenizer::from_metadata(file.metadata());
  if (!tokenizer) {
    if (tokenizer.error().code == ErrorCode::not_found) return std::optional<Tokenizer>();
    return std::move(tokenizer).error();
  }
  if (tokenizer->size() > n_vocab) {
    return Error{ErrorCode::corrupt_file, file.path().filename().string() + ": the tokenizer has " +
                                              std::to_string(tokenizer->size()) + " tokens, the embedding " +
                                              std::to_string(n_vocab) + " rows"};
  }
  return std::optional<Tokenizer>(*std::move(tokenizer));
}

Error no_tokenizer(const ModelInfo& info) { return {ErrorCode::not_found, info.name + ": the model carries no tokenizer"}; }

// REQUIRES: weights that are not loaded yet.
uint64_t identity_of(const ModelSpec& spec, const Weights& weights) {
  uint64_t state = fnv1a(std::as_bytes(std::span(spec.architecture)));
  const uint64_t shape[] = {spec.n_layers, spec.d_model,  spec.n_heads,   spec.n_kv_heads, spec.head_dim,
                            spec.d_ff,     spec.d_expert, spec.n_experts, spec.n_vocab};
  state = fnv1a(std::as_bytes(std::span(shape)), state);
  std::vector<const Tensor*> norms;
  for (const Tensor& tensor : weights.tensors()) {
    if (tensor.is_vector && tensor.role == Role::norms) norms.push_back(&tensor);
  }
  std::sort(norms.begin(), norms.end(), [](const Tensor* a, const Tensor* b) { return a->name < b->name; });
  for (const Tensor* norm : norms) {
    const std::vector<float> values = norm->file_values();
    state = fnv1a(std::as_bytes(std::span(values)), state);
  }
  return state;
}

ModelInfo describe(const ModelFile& file, const ModelSpec& spec, const Weights& weights, const Ledger& ledger, size_t ctx) {
  ModelInfo info;
  info.name = spec.name;
  info.architecture = spec.architecture;
  info.n_layers = spec.n_layers;
  info.d_model = spec.d_model;
  info.n_heads = spec.n_heads;
  info.n_kv_heads = spec.n_kv_heads;
  info.head_dim = spec.head_dim;
  info.d_ff = spec.d_ff;
  info.n_experts = spec.n_experts;
  info.top_k = spec.top_k;
  info.d_expert = spec.d_expert;
  info.d_shared = spec.d_shared;
  for (size_t layer = 0; spec.is_moe() && layer < spec.n_layers; ++layer) info.mixture_layers.push_back(spec.is_moe(layer));
  info.n_vocab = spec.n_vocab;
  info.ctx_train = spec.ctx_train;
  info.identity = identity_of(spec, weights);
  info.total_params = ledger.total_params();
  info.active_params = ledger.active_params();
  info.active_weight_bytes = ledger.active_weight_bytes();
  info.padding_bytes = ledger.padding_bytes();
  info.weight_bytes = weights.bytes();
  info.file_bytes = file.file_bytes();
  info.notes.assign(file.notes().begin(), file.notes().end());
  uint64_t tensor_bytes = 0, most = 0;
  info.unused_tensors = file.left_out().tensors;
  info.unused_bytes = file.left_out().bytes;
  for (const TensorView& view : file.tensors()) {
    if (is_idle(spec, view.name)) {
      info.unused_tensors += 1;
      info.unused_bytes += file_bytes(view);
      continue;
    }
    TypeTotals& totals = info.tensors_by_type[dtype_name(view.type)];
    totals.tensors += 1;
    totals.params += view.elements();
    const uint64_t bytes = file_bytes(view);
    totals.bytes += bytes;
    tensor_bytes += bytes;
  }
  for (const auto& [type, totals] : info.tensors_by_type) {
    if (totals.params <= most) continue;
    most = totals.params;
    info.type = type;
  }
  std::transform(info.type.begin(), info.type.end(), info.type.begin(),
                 [](char c) { return static_cast<char>(std::toupper(c)); });
  info.bits_per_weight = 8.0 * static_cast<double>(tensor_bytes) / static_cast<double>(info.total_params);
  info.kv_bytes_per_token = kv_shape(spec, KvType::f16).bytes_per_position();
  info.ctx = ctx == 0 ? default_ctx(spec) : ctx;
  info.memory_needed_bytes = info.weight_bytes + info.kv_bytes_per_token * info.ctx + activation_bytes(spec, 512, 1, info.ctx);
  return info;
}

Status apply_overlay(const std::filesystem::path& path, Model::Impl& impl) {
  SISKIN_TRY(const Overlay overlay, load_overlay(path));
  if (overlay.identity != impl.info.identity) {
    return Error{ErrorCode::invalid_argument, path.string() + ": was made for another model, '" + overlay.model + "', than '" +
                                                  impl.info.name + "' (their shapes or norms differ)"};
  }
  const Status checked = check_knobs(impl.info, overlay.experts);
  if (!checked) return Error{checked.error().code, path.string() + ": " + checked.error().message};
  impl.knobs = overlay.experts;
  return {};
}

// Decides how many experts there is room for, and says so in `impl.info`.
Status fit_experts(const ModelFile& file, uint64_t ram_bytes, Model::Impl& impl) {
  const std::string name = file.path().filename().string();
  const std::string needs = name + ": needs " + bytes_text(impl.info.memory_needed_bytes) + " of memory at context " +
                            std::to_string(impl.info.ctx) + ", allowed: " + bytes_text(ram_bytes);
  if (!impl.spec.is_moe()) return Error{ErrorCode::unsupported, needs + "; it has no experts that could stay on disk"};
  if (!file.is_packed()) {
    return Error{ErrorCode::unsupported, needs + "; experts are read from packed files: run siskin pack on it first"};
  }
  const uint64_t rest = impl.info.memory_needed_bytes - impl.weights.expert_bytes();
  const uint64_t slot = DiskExperts::slot_bytes(impl.spec, impl.weights);
  if (ram_bytes < rest + slot) {
    return Error{ErrorCode::invalid_argument, name + ": needs at least " + bytes_text(rest + slot) + " of memory at context " +
                                                  std::to_string(impl.info.ctx) + ", with a single expert of " +
                                                  bytes_text(slot) + " at a time; allowed: " + bytes_text(ram_bytes)};
  }
  impl.info.expert_slots = static_cast<size_t>((ram_bytes - rest) / slot);
  impl.info.memory_needed_bytes = rest + impl.info.expert_slots * slot;
  return {};
}

Status load_leaving_experts(ModelFile file, const WeightLoading& how, Model::Impl& impl) {
  SISKIN_TRY(DirectFile direct, file.reopen());
  if (direct.size() != file.file_bytes()) {
    return Error{ErrorCode::corrupt_file, file.path().string() + ": its size changed while it was being loaded"};
  }
  SISKIN_TRY_STATUS(impl.weights.load(std::move(file), how));
  direct.drop_cache();
  SISKIN_TRY(auto disk, DiskExperts::create(impl.spec, impl.weights, std::move(direct), impl.info.expert_slots));
  impl.experts.emplace(impl.weights, std::move(disk));
  return {};
}

}  // namespace

uint64_t activation_bytes(const ModelSpec& spec, size_t batch, size_t requests, size_t ctx) {
  const uint64_t routed = spec.is_moe() ? spec.top_k : 0;
  const uint64_t hidden = std::max<uint64_t>({spec.d_ff, spec.d_shared, routed * spec.d_expert});
  // Values are f32; rows that matmuls read may have an int8 form of about 1.25 bytes and a bf16 form of 2 beside them.
  // Latent attention has its queries' factors, what of each head meets the latents, and latents for each head.
  const uint64_t latent = spec.is_latent() ? 8 * spec.q_rank + 4 * spec.n_heads * spec.key_width() +
                                                 8 * spec.n_heads * std::max(spec.kv_rank, spec.head_dim - spec.n_rot)
                                           : 0;
  const uint64_t row = 4 * (2 * spec.d_model + spec.d_q() + spec.d_k() + spec.d_v() + spec.n_experts) + latent +
                       8 * (spec.d_model + spec.d_attended() + hidden) + 4 * routed * spec.d_model +
                       (spec.d_shared > 0 ? 4 * spec.d_model : 0);
  // A decoding request's attention is made by spans and merged.
  const uint64_t spans = uint64_t{ctx / kAttentionSpan + 1} * spec.n_heads * (spec.value_width() + 2) * sizeof(float);
  return row * batch + uint64_t{requests} * (4 * spec.n_vocab + 12 * spec.d_model + spans);
}

std::string bytes_text(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, bytes >= 1000000000 ? "%.2f GB" : "%.2f MB",
                static_cast<double>(bytes) / (bytes >= 1000000000 ? 1e9 : 1e6));
  return text;
}

const char* version() { return SISKIN_VERSION; }

Result<ModelInfo> Model::inspect(const std::filesystem::path& path, size_t ctx) {
  SISKIN_TRY(const ModelFile file, ModelFile::open(path));
  SISKIN_TRY(const Family* family, find_family(file));
  SISKIN_TRY(const ModelSpec spec, family->parse(file));
  SISKIN_TRY(const Weights weights, Weights::bind(file, spec, family->bindings.data(), family->bindings.size()));
  SISKIN_TRY(const std::optional<Tokenizer> tokenizer, load_tokenizer(file, spec.n_vocab));
  ModelInfo info = describe(file, spec, weights, Ledger(spec, weights), ctx);
  info.tokenizer = tokenizer ? tokenizer->kind() : "none";
  return info;
}

Result<std::shared_ptr<const Model>> Model::load(const std::filesystem::path& path, const LoadOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  auto impl = std::make_unique<Impl>();
  SISKIN_TRY(impl->isa, select_isa(options.isa));
  impl->isa_name = impl->isa->name;
  SISKIN_TRY(ModelFile file, ModelFile::open(path));
  SISKIN_TRY(impl->family, find_family(file));
  SISKIN_TRY(impl->spec, impl->family->parse(file));
  SISKIN_TRY(impl->weights, Weights::bind(file, impl->spec, impl->family->bindings.data(), impl->family->bindings.size()));
  SISKIN_TRY(impl->tokenizer, load_tokenizer(file, impl->spec.n_vocab));
  impl->ledger.emplace(impl->spec, impl->weights);
  impl->info = describe(file, impl->spec, impl->weights, *impl->ledger, options.ctx);
  impl->info.tokenizer = impl->tokenizer ? impl->tokenizer->kind() : "none";

  if (!options.overlay.empty()) SISKIN_TRY_STATUS(apply_overlay(options.overlay, *impl));

  const bool leave_experts = options.ram_bytes != 0 && impl->info.memory_needed_bytes > options.ram_bytes;
  if (leave_experts) SISKIN_TRY_STATUS(fit_experts(file, options.ram_bytes, *impl));
  const uint64_t available = available_memory_bytes();
  if (impl->info.memory_needed_bytes > available) {
    return Error{ErrorCode::out_of_memory, file.path().filename().string() + ": needs " +
                                               bytes_text(impl->info.memory_needed_bytes) + " of memory at context " +
                                               std::to_string(impl->info.ctx) + ", available: " + bytes_text(available)};
  }
  const unsigned threads = options.threads == 0 ? usable_threads() : options.threads;
  if (leave_experts) {
    SISKIN_TRY_STATUS(load_leaving_experts(std::move(file), {threads, false, true, options.on_progress}, *impl));
  } else {
    SISKIN_TRY_STATUS(impl->weights.load(std::move(file), {threads, options.copy_packed, false, options.on_progress}));
    impl->experts.emplace(impl->weights);
  }
  impl->load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return std::shared_ptr<const Model>(std::make_shared<Model>(std::move(impl)));
}

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;

const ModelInfo& Model::info() const { return impl_->info; }
const std::string& Model::isa() const { return impl_->isa_name; }
double Model::load_seconds() const { return impl_->load_seconds; }

Result<std::vector<TokenId>> Model::tokenize(std::string_view text, bool add_bos) const {
  if (!impl_->tokenizer) return no_tokenizer(impl_->info);
  return impl_->tokenizer->encode(text, {add_bos, false});
}

Result<std::string> Model::detokenize(std::span<const TokenId> ids) const {
  if (!impl_->tokenizer) return no_tokenizer(impl_->info);
  return impl_->tokenizer->decode(ids);
}

Result<std::string> Model::piece(TokenId id) const {
  if (!impl_->tokenizer) return no_tokenizer(impl_->info);
  return impl_->tokenizer->piece(id);
}

TokenId Model::bos() const { return impl_->tokenizer ? impl_->tokenizer->bos() : -1; }
TokenId Model::eos() const { return impl_->tokenizer ? impl_->tokenizer->eos() : -1; }

struct TokenizerHandle::Impl {
  Tokenizer tokenizer;
};

Result<TokenizerHandle> TokenizerHandle::load(const std::filesystem::path& path) {
  SISKIN_TRY(const ModelFile file, ModelFile::open(path));
  SISKIN_TRY(Tokenizer tokenizer,
             file.is_hugging_face() ? Tokenizer::from_folder(file.path()) : Tokenizer::from_metadata(file.metadata()));
  return TokenizerHandle(std::make_unique<Impl>(Impl{std::move(tokenizer)}));
}

TokenizerHandle::TokenizerHandle(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TokenizerHandle::TokenizerHandle(TokenizerHandle&&) noexcept = default;
TokenizerHandle::~TokenizerHandle() = default;

std::vector<TokenId> TokenizerHandle::encode(std::string_view text, bool add_bos) const {
  return impl_->tokenizer.encode(text, {add_bos, false});
}
std::string TokenizerHandle::decode(std::span<const TokenId> ids) const { return impl_->tokenizer.decode(ids); }
std::string TokenizerHandle::piece(TokenId id) const { return impl_->tokenizer.piece(id); }
size_t TokenizerHandle::size() const { return impl_->tokenizer.size(); }

}  // namespace siskin
