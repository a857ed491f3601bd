// What pre-norm decoders have in common: metadata under their own prefix, sizes for binding tables, and the parts of a layer. A
// family keeps what is its own.
#pragma once

#include <siskin/result.h>

#include <cstddef>
#include <string>

#include "engine/spec.h"
#include "engine/step.h"
#include "formats/model_file.h"

namespace siskin {

// A count that sizes buffers: present, at least 1, and small enough that products of three fit in 64 bits.
Result<size_t> dimension(const ModelFile& file, const std::string& key);

// A number above 0, at most 1e6.
Result<float> positive_factor(const ModelFile& file, const std::string& key, float fallback);

// Reads and checks "<architecture>.block_count" and the other keys that every decoder has, RoPE and experts included. `router`:
// the architecture's, which what the file says overrides. Errors: corrupt_file, unsupported (a RoPE scaling); name the file and
// key.
Result<ModelSpec> parse_decoder(const ModelFile& file, const std::string& architecture, const RouterSpec& router);

// Gives a mixture whose file does not say so its one shared expert, of so many hidden values.
void assume_shared_expert(ModelSpec& spec, size_t width);

// How far q, k and v may go: spec.qkv_clamp.
Status parse_qkv_clamp(const ModelFile& file, ModelSpec& spec);

// Its part about experts: how many of what width in which layers, and the router's keys. REQUIRES: all else of `spec`.
Status parse_mixture(const ModelFile& file, ModelSpec& spec);

// The same for an architecture that has no experts. Errors: also unsupported, where the file names some.
Result<ModelSpec> parse_dense_decoder(const ModelFile& file, const std::string& architecture);

// The same for an architecture that always has some. Errors: also corrupt_file, where the file names none.
Result<ModelSpec> parse_mixture_decoder(const ModelFile& file, const std::string& architecture, const RouterSpec& router);

// A corrupt_file error that names the file.
Error bad_model(const ModelFile& file, const std::string& what);

// Columns `rows`, `cols` and `presence` of binding tables.
namespace binding {
inline Presence always(const ModelSpec&, size_t) { return Presence::required; }
inline Presence maybe(const ModelSpec&, size_t) { return Presence::optional; }
inline Presence dense(const ModelSpec& s, size_t layer) { return s.is_moe(layer) ? Presence::absent : Presence::required; }
inline Presence moe(const ModelSpec& s, size_t layer) { return s.is_moe(layer) ? Presence::required : Presence::absent; }
inline Presence moe_maybe(const ModelSpec& s, size_t layer) { return s.is_moe(layer) ? Presence::optional : Presence::absent; }
inline Presence shared(const ModelSpec& s, size_t layer) { return s.d_shared > 0 ? moe(s, layer) : Presence::absent; }
inline size_t d_model(const ModelSpec& s) { return s.d_model; }
inline size_t d_q(const ModelSpec& s) { return s.d_q(); }
inline size_t d_k(const ModelSpec& s) { return s.d_k(); }
inline size_t d_v(const ModelSpec& s) { return s.d_v(); }
inline size_t d_attended(const ModelSpec& s) { return s.d_attended(); }
inline size_t head_dim(const ModelSpec& s) { return s.head_dim; }
inline size_t d_ff(const ModelSpec& s) { return s.d_ff; }
inline size_t d_expert(const ModelSpec& s) { return s.d_expert; }
inline size_t d_shared(const ModelSpec& s) { return s.d_shared; }
inline size_t n_vocab(const ModelSpec& s) { return s.n_vocab; }
inline size_t n_experts(const ModelSpec& s) { return s.n_experts; }
}  // namespace binding

// Sizes the buffers of a step and looks up the embeddings, scaled: residual [n, d_model].
void begin_step(StepContext& ctx);
// Adds what the last block made (layer 0: nothing), normalises, and multiplies: q, k and v, not yet rotated.
void project_qkv(StepContext& ctx, size_t layer);
// Adds the biases that the layer has to q, k and v.
void add_qkv_biases(StepContext& ctx, size_t layer);
// Normalises q and k by attn_q_norm and attn_k_norm, where there are such: as whole rows or head by head, as long as these are.
void norm_qk(StepContext& ctx, size_t layer);
// Keeps q, k and v within the model's bounds, if it has some.
void clamp_qkv(StepContext& ctx);
// Rotates q and k, stores k and v, attends, and multiplies by the output matrix: delta.
void attend_and_project(StepContext& ctx, size_t layer);
// Adds delta, normalises, and runs the dense block or the experts: delta.
void feed_forward(StepContext& ctx, size_t layer);
// The rows that want logits, normalised and multiplied by the head.
void predict(StepContext& ctx);
// All of them in order: a step of a model whose layers are Llama's, but for what its spec says.
void forward_decoder(StepContext& ctx);

}  // namespace siskin
