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

// Reads and checks "<architecture>.block_count" and the other keys that every decoder has, RoPE and experts included.
// Errors: corrupt_file, unsupported (a RoPE scaling); name the file and key.
Result<ModelSpec> parse_decoder(const ModelFile& file, const std::string& architecture);

// The same for an architecture that has no experts. Errors: also unsupported, where the file names some.
Result<ModelSpec> parse_dense_decoder(const ModelFile& file, const std::string& architecture);

// A corrupt_file error that names the file.
Error bad_model(const ModelFile& file, const std::string& what);

// Columns `rows`, `cols` and `required` of binding tables.
namespace binding {
inline bool always(const ModelSpec&) { return true; }
inline bool never(const ModelSpec&) { return false; }
inline bool dense(const ModelSpec& s) { return !s.is_moe(); }
inline bool moe(const ModelSpec& s) { return s.is_moe(); }
inline size_t d_model(const ModelSpec& s) { return s.d_model; }
inline size_t d_q(const ModelSpec& s) { return s.d_q(); }
inline size_t d_kv(const ModelSpec& s) { return s.d_kv(); }
inline size_t head_dim(const ModelSpec& s) { return s.head_dim; }
inline size_t d_ff(const ModelSpec& s) { return s.d_ff; }
inline size_t n_vocab(const ModelSpec& s) { return s.n_vocab; }
inline size_t n_experts(const ModelSpec& s) { return s.n_experts; }
inline size_t half_rot(const ModelSpec& s) { return s.n_rot / 2; }
}  // namespace binding

// Sizes the buffers of a step and looks up the embeddings, scaled: residual [n, d_model].
void begin_step(StepContext& ctx);
// Adds what the last block made (layer 0: nothing), normalises, and multiplies: q, k and v, not yet rotated.
void project_qkv(StepContext& ctx, size_t layer);
// Rotates q and k, stores k and v, attends, and multiplies by the output matrix: delta.
void attend_and_project(StepContext& ctx, size_t layer);
// Adds delta, normalises, and runs the dense block or the experts: delta.
void feed_forward(StepContext& ctx, size_t layer);
// The rows that want logits, normalised and multiplied by the head.
void predict(StepContext& ctx);

}  // namespace siskin
