// Mixtures of types under the names that llama.cpp gives them: q4_k_m and the like, most matrices in one type and those that
// suffer most in a larger one.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "formats/dtype.h"

namespace siskin {

// What a mixture's choice depends on beside a tensor's name.
struct MixtureModel {
  size_t n_layers = 0;
  size_t n_experts = 0;         // 0: dense
  size_t heads_per_kv = 1;      // query heads that share a KV head
  bool tied_embedding = false;  // no output.weight: the embedding is the output matrix
};

enum class MixtureKind { q5_m, q5_s, q4_m, q4_s, q3_l, q3_m, q3_s, q2_m };

struct Mixture {
  std::string_view name;
  MixtureKind kind;
  DType most;          // of all tensors without a rule
  uint64_t file_type;  // llama.cpp's llama_ftype

  // The type of a matrix, before its columns are looked at. Source: llama_tensor_get_type_impl of llama.cpp.
  DType type_of(std::string_view tensor, const MixtureModel& model) const;
};

// nullptr for a name that no mixture has.
const Mixture* find_mixture(std::string_view name);

// q2_k_m is what llama.cpp calls Q2_K; q2_k here, like every name of a type, is that type everywhere.
inline constexpr std::array kMixtures = {
    Mixture{"q5_k_m", MixtureKind::q5_m, DType::Q5_K, 17}, Mixture{"q5_k_s", MixtureKind::q5_s, DType::Q5_K, 16},
    Mixture{"q4_k_m", MixtureKind::q4_m, DType::Q4_K, 15}, Mixture{"q4_k_s", MixtureKind::q4_s, DType::Q4_K, 14},
    Mixture{"q3_k_l", MixtureKind::q3_l, DType::Q3_K, 13}, Mixture{"q3_k_m", MixtureKind::q3_m, DType::Q3_K, 12},
    Mixture{"q3_k_s", MixtureKind::q3_s, DType::Q3_K, 11}, Mixture{"q2_k_m", MixtureKind::q2_m, DType::Q2_K, 10}};

}  // namespace siskin
