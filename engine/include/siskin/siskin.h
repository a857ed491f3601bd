// The library from C: load a model, run requests on it, see what each cost. For C11 and C++; the C++ API is in model.h and
// session.h.
//
// Handles are opaque. A handle's owner frees it once with its _free function; freeing NULL does nothing.
//
// Errors: a function that can fail returns a siskin_status; siskin_error_message() says in one line what was wrong. No C++
// exception leaves the library. A broken invariant of the library itself aborts the process with one line.
//
// Structs that the caller fills start with their size, `options.size = sizeof options`, so that programs keep working as
// structs grow: members beyond a smaller size take their defaults; a larger size is accepted when the members unknown here are
// zero. Structs that the library fills are its own, read only, and name the size that it filled.
//
// Threads: models are immutable and may be used by any number of threads; a session belongs to one thread at a time.
//
// Text is UTF-8. Strings given to a function are copied or used before it returns.
#ifndef SISKIN_SISKIN_H
#define SISKIN_SISKIN_H

#include <siskin/export.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum siskin_status {
  SISKIN_OK = 0,
  SISKIN_INVALID_ARGUMENT = 1,  // the caller asked for something that cannot be
  SISKIN_NOT_FOUND = 2,         // a file, a tokenizer, an instruction set that is not there
  SISKIN_UNSUPPORTED = 3,       // well-formed, but not built yet
  SISKIN_CORRUPT_FILE = 4,      // a file that contradicts itself
  SISKIN_IO = 5,                // the operating system refused
  SISKIN_OUT_OF_MEMORY = 6,     // would need more memory than there is
  SISKIN_CANCELLED = 7,         // a progress callback asked to stop (a cancelled request is no error: SISKIN_FINISH_CANCELLED)
  SISKIN_INTERNAL = 8           // an exception that should not have been, or one that a callback threw
} siskin_status;

// "0.1.0". Static; from any thread.
SISKIN_API const char* siskin_version(void);
// "ok", "invalid_argument", ...; "" for no status. Static; from any thread.
SISKIN_API const char* siskin_status_name(siskin_status status);
// What the calling thread's last failed call reported, one line; "" before the first. Valid until a call of this thread fails
// again.
SISKIN_API const char* siskin_error_message(void);

// ---- Models ----

typedef struct siskin_model siskin_model;

// All zero but `size`: the defaults.
typedef struct siskin_load_options {
  size_t size;
  size_t ctx;        // context that must fit in memory beside the weights; 0: the trained context, 4096 at most
  const char* isa;   // instruction set, "avx2"; NULL: the environment variable SISKIN_ISA, or the best this CPU has
  unsigned threads;  // 0: all that this process may use
  // Called from the loading thread with bytes done and in all; anything but 0 cancels (SISKIN_CANCELLED). NULL: nothing is
  // called.
  int (*on_progress)(void* user, uint64_t done, uint64_t total);
  void* user;  // handed to on_progress
  // Most memory for weights, KV cache and activations; a packed mixture that needs more leaves experts in its file and reads them when
  // tokens are routed to them. 0: all weights are resident.
  uint64_t ram_bytes;
  const char* overlay;  // a file of `siskin overlay make`, for this model alone; NULL: none
} siskin_load_options;

// Owned by the model, as are its strings; they live as long as it does.
typedef struct siskin_info {
  size_t size;
  const char* name;
  const char* architecture;  // "llama"
  const char* type;          // the type that holds most parameters: "Q8_0"
  const char* tokenizer;     // "spm-bpe", "unigram", "none"
  const char* isa;           // the instruction set that its weights are packed for
  size_t n_layers, d_model, n_heads, n_kv_heads, head_dim, d_ff;
  size_t n_experts, top_k;  // 0, 0 for dense models
  size_t n_vocab;
  size_t ctx_train;
  uint64_t total_params, active_params;
  uint64_t file_bytes;
  uint64_t weight_bytes;         // packed, as kept in memory
  uint64_t active_weight_bytes;  // what one decoded token reads
  uint64_t kv_bytes_per_token;   // as F16
  uint64_t memory_needed_bytes;  // weights, KV at `ctx` and activations
  size_t ctx;
  double bits_per_weight;
  double load_seconds;
  int32_t bos, eos;  // -1: none
  size_t expert_slots;  // experts in memory at once, of a model within ram_bytes; 0: all are
} siskin_info;

// Loads a GGUF file (any part of a split one), a packed file or a Hugging Face folder. options: NULL for the defaults. *model is the caller's,
// to free with siskin_model_free; NULL after an error. Errors: invalid_argument (isa too), not_found (file), unsupported,
// corrupt_file, io, out_of_memory (before anything is packed), cancelled. From any thread.
SISKIN_API siskin_status siskin_model_load(const char* path, const siskin_load_options* options, siskin_model** model);

// Ends the caller's use of a model. Sessions made from it keep the weights that they need; the siskin_info is gone.
SISKIN_API void siskin_model_free(siskin_model* model);

// What the model is; NULL for NULL. From any thread.
SISKIN_API const siskin_info* siskin_model_info(const siskin_model* model);

// The ids of `bytes` bytes of text, after the model's BOS where add_bos is not 0. Always sets *n to how many they are and
// writes the first `capacity` of them (tokens may be NULL where capacity is 0), so that a call with capacity 0 asks for the
// size. Errors: invalid_argument, not_found (the model carries no tokenizer), out_of_memory; *n is then 0. From any thread.
SISKIN_API siskin_status siskin_tokenize(const siskin_model* model, const char* text, size_t bytes, int add_bos,
                                         int32_t* tokens, size_t capacity, size_t* n);

// The text of n tokens. Always sets *bytes to its length without the closing NUL and writes what fits in `capacity` bytes,
// closed by a NUL where capacity is not 0: the text is whole when *bytes < capacity. Errors and threads: as siskin_tokenize.
SISKIN_API siskin_status siskin_detokenize(const siskin_model* model, const int32_t* tokens, size_t n, char* text,
                                           size_t capacity, size_t* bytes);

// ---- Sessions ----

typedef struct siskin_session siskin_session;

// What K and V are kept in. SISKIN_KV_Q8_0: int8 with a scale per 32 values of a head.
typedef enum siskin_kv_type { SISKIN_KV_F16 = 0, SISKIN_KV_F32 = 1, SISKIN_KV_BF16 = 2, SISKIN_KV_Q8_0 = 3 } siskin_kv_type;

// All zero but `size`: the defaults.
typedef struct siskin_session_options {
  size_t size;
  size_t ctx;           // most positions of a request; 0: the trained context, 4096 at most
  size_t batch;         // most tokens of one step; 0: 512
  unsigned threads;     // 0: all that this process may use
  int measure_machine;  // not 0: fills the shares of siskin_phase_cost; measures up to 5 s, unless it did before and cached it
  int deterministic;    // not 0: one kernel family for every batch size, so that results do not depend on how a prompt is cut
  int kv_type;          // a siskin_kv_type; 0: SISKIN_KV_F16
} siskin_session_options;

// KV cache, activations and workers for one request at a time. options: NULL for the defaults. *session is the caller's, to
// free with siskin_session_free; NULL after an error. Errors: invalid_argument, io (the machine's profile), out_of_memory. From
// any thread.
SISKIN_API siskin_status siskin_session_create(const siskin_model* model, const siskin_session_options* options,
                                               siskin_session** session);

// REQUIRES: no siskin_generate runs on the session (so: not from a callback), none of its results is used any more.
SISKIN_API void siskin_session_free(siskin_session* session);

// ---- Requests ----

// One generated token; valid during the callback.
typedef struct siskin_token {
  size_t size;
  int32_t id;
  size_t index;  // 0 for the first generated token
  const char*
      text;  // what became readable with it, closed by a NUL: empty while a character or a possible stop text is unfinished
  size_t text_bytes;  // without the NUL
} siskin_token;

// Fill with siskin_request_init, then set `text` or `tokens`.
typedef struct siskin_request {
  size_t size;
  const char* text;       // the prompt, closed by a NUL; the model's BOS is put before it. Or NULL and:
  const int32_t* tokens;  // the prompt's ids, taken as they are
  size_t n_tokens;
  size_t max_new_tokens;    // 128
  uint64_t seed;            // 0
  float temperature;        // 0.8; 0: greedy
  float top_p;              // 0.95; 1: off
  float min_p;              // 0.05; 0: off
  float repeat_penalty;     // 1: off
  uint32_t top_k;           // 40; 0: off
  uint32_t repeat_last_n;   // 64
  const char* const* stop;  // generation ends before any of these n_stop texts
  size_t n_stop;
  int ignore_eos;  // 0
  // Called for each token from the thread that runs siskin_generate; anything but 0 cancels the request. It must return (no
  // longjmp) and must not use the session, except for siskin_cancel. NULL: nothing is called.
  int (*on_token)(void* user, const siskin_token* token);
  void* user;  // handed to on_token
  // Of a mixture; zeros: the overlay's, else the model's own.
  uint32_t expert_top_k;                  // experts per token in every layer; 0: not set here
  float expert_min_p;                     // a chosen expert, but for the first, that weighs less of the chosen ones' sum is left out; 0: none is
  const uint32_t* expert_top_k_by_layer;  // n_layers numbers instead of expert_top_k
  const unsigned char* expert_mask;       // [n_layers][n_experts], 0: never chosen; rows of layers without experts say nothing
  double budget_ms;  // above 0: takes so many experts per generated token that a decode step keeps to this time; see siskin_result
} siskin_request;

typedef enum siskin_finish {
  SISKIN_FINISH_LENGTH = 0,  // max_new_tokens
  SISKIN_FINISH_EOS = 1,
  SISKIN_FINISH_STOP = 2,
  SISKIN_FINISH_CANCELLED = 3,
  SISKIN_FINISH_CONTEXT_FULL = 4
} siskin_finish;

// One layer's experts.
typedef struct siskin_layer_experts {
  uint64_t touched;  // distinct ones in the phase
  uint64_t reads;    // distinct ones of each step, summed over the steps
} siskin_layer_experts;

// What a phase used and read. Bytes are the union of what each step touched, summed over the steps.
typedef struct siskin_phase_cost {
  size_t size;
  uint64_t tokens;                       // positions run through the model
  uint64_t total_params, active_params;  // active: without the experts that top-k leaves out
  double active_params_per_token;        // the mean actually used
  uint64_t params_touched;               // union over the phase
  uint64_t experts_touched;              // distinct (layer, expert) pairs
  double experts_per_token;              // mean per token and mixture layer; 0 for dense models
  uint64_t weight_bytes;
  const uint64_t* weight_bytes_by_role;  // n_roles of them; siskin_role_name says which. They add up to weight_bytes
  size_t n_roles;
  uint64_t padding_bytes;  // of weight_bytes, what only pads a layout
  uint64_t kv_read_bytes, kv_write_bytes;
  uint64_t disk_bytes;  // of experts that were not in memory; whole pages
  uint64_t flops_f32, flops_int8;  // executed; a multiply-add is two
  double seconds;
  double gb_s;                          // (weight_bytes + kv_read_bytes) / seconds / 1e9
  double bandwidth_share, flops_share;  // of what the machine was measured to do; below 0: not measured
  uint64_t flops_bf16;                  // executed on bf16 units, beside flops_f32 and flops_int8
  uint64_t steps;
  uint64_t expert_reads;       // distinct (layer, expert) pairs of each step, summed over the steps
  uint64_t expert_disk_reads;  // of them, those that had to be read from disk first
  const siskin_layer_experts* experts_by_layer;  // n_layers of them; NULL and 0 for dense models
  size_t n_layers;
} siskin_phase_cost;

// Owned by the session, with all that it points to, until the next siskin_generate on it or its end.
typedef struct siskin_result {
  size_t size;
  siskin_finish finish;
  const char* text;       // generated, closed by a NUL
  size_t text_bytes;      // without the NUL
  const int32_t* tokens;  // generated
  size_t n_tokens;
  size_t prompt_tokens;
  double first_token_s;  // from the start of the call
  double prefill_s, decode_s, total_s;
  const siskin_phase_cost* prefill;
  const siskin_phase_cost* decode;
  const char* cost_text;  // both phases as a table for people
  const char* cost_json;  // both phases as one JSON object
  size_t expert_top_k;    // most experts per token and layer of the last step; 0: a dense model
} siskin_result;

// Writes the defaults into a request of `size` bytes (sizeof(siskin_request)), `size` included.
SISKIN_API void siskin_request_init(siskin_request* request, size_t size);

// Runs a request to its end in the calling thread. *result is set to the session's result, NULL after an error. Errors:
// invalid_argument (both or none of text and tokens, an empty prompt, an id out of range, longer than the context, sampling
// that means nothing, a session in use), not_found (text, but no tokenizer), out_of_memory, internal. The session can be used
// again after an error.
SISKIN_API siskin_status siskin_generate(siskin_session* session, const siskin_request* request, const siskin_result** result);

// Ends the siskin_generate that runs on the session, if any, before its next step; that call returns SISKIN_OK with
// SISKIN_FINISH_CANCELLED and what was generated. From any thread, a callback or a signal handler, while the session lives.
SISKIN_API void siskin_cancel(siskin_session* session);

// "length", "eos", ...; "" for no reason. Static; from any thread.
SISKIN_API const char* siskin_finish_name(siskin_finish finish);
// "embedding", "attention", "router", "experts", ...; NULL from n_roles on. Static; from any thread.
SISKIN_API const char* siskin_role_name(size_t role);

#ifdef __cplusplus
}
#endif

#endif
