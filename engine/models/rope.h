// The metadata of rotary positions: base, how much of a head is rotated, and how long contexts stretch the frequencies.
#pragma once

#include <siskin/result.h>

#include "engine/spec.h"
#include "formats/model_file.h"

namespace siskin {

// Reads "<architecture>.rope.*" into spec.rope and spec.n_rot. REQUIRES: spec.head_dim and spec.ctx_train.
// Errors: corrupt_file, unsupported (a scaling that is not built).
Status parse_rope(const ModelFile& file, ModelSpec& spec);

// YaRN's m(factor) = 0.1 * multiplier * ln(factor) + 1, by which scores are sharpened; 1 for factors up to 1.
double yarn_magnitude(double factor, double multiplier);

}  // namespace siskin
