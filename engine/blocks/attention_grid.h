// AttentionGrid: how a step's attention is cut into tasks, and where spans that were made apart wait to be merged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace siskin {

struct StepSlice;

struct AttentionGrid {
  // Tokens [first, first + n) of one slice: its rows against one group of heads share a pass over K and V. Few rows that see
  // many positions are cut into spans: each is a task of its own, and the last to end merges them.
  struct Tile {
    const StepSlice* slice;
    size_t first;
    size_t n;
    size_t row;            // of the first token, in the step
    size_t first_span;     // that some row sees
    size_t n_spans;        // 0: not cut
    size_t first_partial;  // in `partials`, of the first group
    size_t first_counter;  // in `unfinished`, of the first group
  };
  struct Task {
    uint32_t tile, group, span;  // span: of the tile's, from 0
  };
  std::vector<Tile> tiles;
  std::vector<Task> tasks;
  std::vector<float> partials;       // per cut tile and group: [n_spans, rows, value_width + 2]
  std::vector<uint32_t> unfinished;  // spans, per cut tile and group
};

}  // namespace siskin
