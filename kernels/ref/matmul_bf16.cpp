// y = bf16(W) bf16(x): the tile body on tiles and lanes in plain C++, which are what its order of sums means.
#include "kernels/amx/matmul_tiles-inl.h"
#include "kernels/amx/tiles_plain-inl.h"
#include "kernels/generic/lanes_plain-inl.h"
#include "kernels/ref/bodies.h"

namespace siskin::ref {

void matmul_any_bf16(const MatmulArgs& args) noexcept { matmul_any_tiles<TilesPlain, LanesPlain>(args); }

void round_bf16(const float* x, size_t n, uint16_t* out) noexcept {
  for (size_t k = 0; k < n; ++k) out[k] = static_cast<uint16_t>(LanesPlain::round(x[k]));
  for (size_t k = n; k % 32 != 0; ++k) out[k] = 0;
}

}  // namespace siskin::ref
