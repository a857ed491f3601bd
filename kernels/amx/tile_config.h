// What ldtilecfg reads: eight tiles of 16 rows of 64 bytes. Plain data: included by the tiles' units and by the probe that
// times them.
#pragma once

#include <cstdint>

namespace siskin {

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

}  // namespace siskin
