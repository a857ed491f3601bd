// The C API over the C++ one: errors, models and their tokenizers. Sessions are in c_api_session.cpp.
#include "engine/c_api.h"

#include <algorithm>
#include <span>
#include <string_view>

#include <siskin/version.h>

#include "formats/try.h"

using siskin::Error;
using siskin::ErrorCode;
using siskin::Result;
using siskin::Status;
using siskin::c_api::guarded;
using siskin::c_api::invalid;
using siskin::c_api::read_struct;

namespace siskin::c_api {
namespace {

struct LastError {
  std::string text;
  const char* message = "";
};

LastError& last_error() {
  static thread_local LastError error;
  return error;
}

siskin_status status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return SISKIN_INVALID_ARGUMENT;
    case ErrorCode::not_found: return SISKIN_NOT_FOUND;
    case ErrorCode::unsupported: return SISKIN_UNSUPPORTED;
    case ErrorCode::corrupt_file: return SISKIN_CORRUPT_FILE;
    case ErrorCode::io: return SISKIN_IO;
    case ErrorCode::out_of_memory: return SISKIN_OUT_OF_MEMORY;
    case ErrorCode::cancelled: return SISKIN_CANCELLED;
  }
  return SISKIN_INTERNAL;
}

siskin_info describe(const Model& model) {
  const ModelInfo& from = model.info();
  siskin_info to{};
  to.size = sizeof to;
  to.name = from.name.c_str();
  to.architecture = from.architecture.c_str();
  to.type = from.type.c_str();
  to.tokenizer = from.tokenizer.c_str();
  to.isa = model.isa().c_str();
  to.n_layers = from.n_layers;
  to.d_model = from.d_model;
  to.n_heads = from.n_heads;
  to.n_kv_heads = from.n_kv_heads;
  to.head_dim = from.head_dim;
  to.d_ff = from.d_ff;
  to.n_experts = from.n_experts;
  to.top_k = from.top_k;
  to.n_vocab = from.n_vocab;
  to.ctx_train = from.ctx_train;
  to.total_params = from.total_params;
  to.active_params = from.active_params;
  to.file_bytes = from.file_bytes;
  to.weight_bytes = from.weight_bytes;
  to.active_weight_bytes = from.active_weight_bytes;
  to.kv_bytes_per_token = from.kv_bytes_per_token;
  to.memory_needed_bytes = from.memory_needed_bytes;
  to.ctx = from.ctx;
  to.bits_per_weight = from.bits_per_weight;
  to.load_seconds = model.load_seconds();
  to.bos = model.bos();
  to.eos = model.eos();
  to.expert_slots = from.expert_slots;
  return to;
}

}  // namespace

siskin_status report(siskin_status status, const char* message) noexcept {
  LastError& error = last_error();
  try {
    error.text = message;
    error.message = error.text.c_str();
  } catch (...) {
    error.message = "out of memory";
  }
  return status;
}

siskin_status report(const Error& error) noexcept { return report(status_of(error.code), error.message.c_str()); }

}  // namespace siskin::c_api

const char* siskin_version(void) { return siskin::version(); }

const char* siskin_error_message(void) { return siskin::c_api::last_error().message; }

const char* siskin_status_name(siskin_status status) {
  switch (status) {
    case SISKIN_OK: return "ok";
    case SISKIN_INVALID_ARGUMENT: return "invalid_argument";
    case SISKIN_NOT_FOUND: return "not_found";
    case SISKIN_UNSUPPORTED: return "unsupported";
    case SISKIN_CORRUPT_FILE: return "corrupt_file";
    case SISKIN_IO: return "io";
    case SISKIN_OUT_OF_MEMORY: return "out_of_memory";
    case SISKIN_CANCELLED: return "cancelled";
    case SISKIN_INTERNAL: return "internal";
  }
  return "";
}

siskin_status siskin_model_load(const char* path, const siskin_load_options* options, siskin_model** model) {
  if (model != nullptr) *model = nullptr;
  return guarded([&]() -> Status {
    if (path == nullptr || model == nullptr) return invalid("siskin_model_load: path and model must not be NULL");
    siskin::LoadOptions load;
    if (options != nullptr) {
      SISKIN_TRY(const siskin_load_options given, read_struct(options, siskin_load_options{}, "siskin_load_options"));
      load.ctx = given.ctx;
      load.threads = given.threads;
      load.ram_bytes = given.ram_bytes;
      if (given.overlay != nullptr) load.overlay = given.overlay;
      if (given.isa != nullptr) load.isa = given.isa;
      if (given.on_progress != nullptr) {
        load.on_progress = [given](uint64_t done, uint64_t total) { return given.on_progress(given.user, done, total) == 0; };
      }
    }
    SISKIN_TRY(auto loaded, siskin::Model::load(path, load));
    const siskin_info info = siskin::c_api::describe(*loaded);
    *model = new siskin_model{std::move(loaded), info};
    return {};
  });
}

void siskin_model_free(siskin_model* model) { delete model; }

const siskin_info* siskin_model_info(const siskin_model* model) { return model == nullptr ? nullptr : &model->info; }

siskin_status siskin_tokenize(const siskin_model* model, const char* text, size_t bytes, int add_bos, int32_t* tokens,
                              size_t capacity, size_t* n) {
  if (n != nullptr) *n = 0;
  return guarded([&]() -> Status {
    if (model == nullptr || n == nullptr || (text == nullptr && bytes > 0) || (tokens == nullptr && capacity > 0)) {
      return invalid("siskin_tokenize: model, text, tokens and n must not be NULL");
    }
    SISKIN_TRY(const auto ids, model->model->tokenize(std::string_view(bytes > 0 ? text : "", bytes), add_bos != 0));
    std::copy_n(ids.begin(), std::min(ids.size(), capacity), tokens);
    *n = ids.size();
    return {};
  });
}

siskin_status siskin_detokenize(const siskin_model* model, const int32_t* tokens, size_t n, char* text, size_t capacity,
                                size_t* bytes) {
  if (bytes != nullptr) *bytes = 0;
  if (text != nullptr && capacity > 0) text[0] = '\0';
  return guarded([&]() -> Status {
    if (model == nullptr || bytes == nullptr || (tokens == nullptr && n > 0) || (text == nullptr && capacity > 0)) {
      return invalid("siskin_detokenize: model, tokens, text and bytes must not be NULL");
    }
    const std::span<const int32_t> ids(tokens, n);
    for (const int32_t id : ids) {
      if (id < 0 || static_cast<size_t>(id) >= model->info.n_vocab) {
        return invalid("token id " + std::to_string(id) + ": expected 0 to " + std::to_string(model->info.n_vocab - 1));
      }
    }
    SISKIN_TRY(const std::string decoded, model->model->detokenize(ids));
    if (capacity > 0) {
      const size_t fits = std::min(decoded.size(), capacity - 1);
      std::copy_n(decoded.data(), fits, text);
      text[fits] = '\0';
    }
    *bytes = decoded.size();
    return {};
  });
}
