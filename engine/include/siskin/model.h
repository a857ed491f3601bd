// Model: weights packed for this machine's kernels, immutable, shared between threads and sessions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <siskin/export.h>
#include <siskin/result.h>

namespace siskin {

using TokenId = int32_t;

struct TypeTotals {
  uint64_t tensors = 0, params = 0, bytes = 0;
};

// What a model is, without loading it. Parameters and bytes as the ledger defines them.
struct ModelInfo {
  std::string name;          // general.name, or the file's
  std::string architecture;  // "llama"
  std::string type;          // the type that holds most parameters, upper case: "Q8_0"
  size_t n_layers = 0, d_model = 0, n_heads = 0, n_kv_heads = 0, head_dim = 0, d_ff = 0;
  size_t n_experts = 0, top_k = 0;  // 0, 0 for dense models
  size_t d_expert = 0;              // hidden values of one expert
  size_t d_shared = 0;              // of the experts that every token goes through, together; 0: none
  std::vector<bool> mixture_layers;  // [n_layers] has experts; empty for dense models
  size_t n_vocab = 0;
  size_t ctx_train = 0;
  // Of the model that was trained: its shape and the values of its norms, which quantising, packing and conversion leave alone.
  uint64_t identity = 0;
  std::string tokenizer;  // "spm-bpe", "unigram", "none"
  uint64_t total_params = 0, active_params = 0;
  uint64_t file_bytes = 0;
  // Of file_bytes, layers for drafting several tokens at once (multi-token prediction): nothing here runs them, and no other number
  // counts them.
  uint64_t unused_tensors = 0, unused_bytes = 0;
  uint64_t weight_bytes = 0;         // packed, as kept in memory
  uint64_t active_weight_bytes = 0;  // what one decoded token reads
  uint64_t padding_bytes = 0;        // of weight_bytes
  double bits_per_weight = 0;        // file bits of the tensors / total_params
  uint64_t kv_bytes_per_token = 0;   // as F16
  uint64_t memory_needed_bytes = 0;  // weights + KV at `ctx` + activations
  size_t ctx = 0;                    // the context that memory_needed_bytes assumes
  size_t expert_slots = 0;           // experts in memory at once, of a model that was loaded within ram_bytes; 0: all are
  std::map<std::string, TypeTotals> tensors_by_type;
  std::vector<std::string> notes;  // what of the files is not read: "vision_model.* left out (tensors: 34): ..."
};

struct LoadOptions {
  unsigned threads = 0;  // for packing; 0: usable_threads()
  std::string isa;       // empty: SISKIN_ISA, or the best this CPU has
  size_t ctx = 0;        // for the memory check; 0: min(trained context, 4096)
  // Copies a packed file's weights into memory of this process instead of mapping them: slower to start, but in huge pages even where
  // the file system's cache has none.
  bool copy_packed = false;
  // A bound on memory_needed_bytes. A packed mixture that needs more keeps as many experts in memory as fit and reads the others from its
  // file when tokens are routed to them. 0: all weights are resident.
  uint64_t ram_bytes = 0;
  // A file of `siskin overlay make`: what requests set nothing of is taken from it. Refused (invalid_argument) for another model than the
  // one that it was made for. Empty: none.
  std::filesystem::path overlay;
  // Called from the loading thread with done/total bytes; return false to cancel (error `cancelled`).
  std::function<bool(uint64_t done, uint64_t total)> on_progress;
};

class SISKIN_API Model {
 public:
  // A GGUF file (any part of a split one), a packed file or a Hugging Face folder. Refuses (out_of_memory) before it would run out, and
  // (unsupported, invalid_argument) what cannot be run within ram_bytes.
  static Result<std::shared_ptr<const Model>> load(const std::filesystem::path& path, const LoadOptions& options = {});
  // Headers only. ctx 0: min(trained context, 4096).
  static Result<ModelInfo> inspect(const std::filesystem::path& path, size_t ctx = 0);

  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelInfo& info() const;
  const std::string& isa() const;
  double load_seconds() const;

  // Errors: not_found when the model carries no tokenizer.
  Result<std::vector<TokenId>> tokenize(std::string_view text, bool add_bos = true) const;
  Result<std::string> detokenize(std::span<const TokenId> ids) const;
  Result<std::string> piece(TokenId id) const;
  TokenId bos() const;  // -1: none
  TokenId eos() const;

  struct Impl;  // engine/model_impl.h; for the engine's own use
  explicit Model(std::unique_ptr<Impl> impl);
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// A tokenizer without its model's weights (for `siskin tokenize`).
class SISKIN_API TokenizerHandle {
 public:
  static Result<TokenizerHandle> load(const std::filesystem::path& path);
  ~TokenizerHandle();
  TokenizerHandle(TokenizerHandle&&) noexcept;
  std::vector<TokenId> encode(std::string_view text, bool add_bos = true) const;
  std::string decode(std::span<const TokenId> ids) const;
  std::string piece(TokenId id) const;
  size_t size() const;

 private:
  struct Impl;
  explicit TokenizerHandle(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace siskin
