// The matrix that makes keys and values of DeepSeek's latents, where a file keeps it whole ("blk.3.attn_kv_b.weight": older
// GGUF files, and every folder): per head the rows of its keys, then those of its values.
#pragma once

#include <siskin/result.h>

#include <string>

#include "formats/files/model_parts.h"

namespace siskin {

// Becomes "attn_k_b", a transposed view [heads, kv_rank, key rows], and "attn_v_b" [heads, value rows, kv_rank], under the same
// scales where these lie apart; nothing is copied. Errors (corrupt_file, naming `file`): rows that are not those of the heads.
Status split_latents(ModelParts& parts, const std::string& file);

}  // namespace siskin
