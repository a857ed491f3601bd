#include "engine/blocks/attention.h"

#include <algorithm>
#include <cmath>

#include "engine/blocks/linear.h"

namespace siskin {
namespace {

// Tokens per attention task: with grouped heads, tokens x heads per KV head rows share one pass over K and V.
constexpr size_t kTileTokens = 16;

void rotate_and_store(StepContext& ctx, size_t layer, const StepSlice& slice, size_t token, size_t row) {
  const ModelSpec& spec = ctx.spec;
  const size_t position = slice.first_position + token;
  Activations& act = ctx.act;
  RopeArgs rope;
  rope.head_dim = spec.head_dim;
  rope.n_rot = spec.n_rot;
  rope.cos = ctx.rope.cos.data() + position * ctx.rope.half;
  rope.sin = ctx.rope.sin.data() + position * ctx.rope.half;
  rope.interleaved = spec.rope.interleaved;
  rope.x = act.q.data() + row * spec.d_q();
  rope.n_heads = spec.n_heads;
  ctx.kernels.rope(rope);
  rope.x = act.k.data() + row * spec.d_kv();
  rope.n_heads = spec.n_kv_heads;
  ctx.kernels.rope(rope);
  for (size_t head = 0; head < spec.n_kv_heads; ++head) {
    const size_t offset = row * spec.d_kv() + head * spec.head_dim;
    ctx.kernels.kv_store(act.k.data() + offset, act.v.data() + offset, spec.head_dim,
                         slice.state->blocks(layer, head)[position / kKvPositions], position % kKvPositions);
  }
}

// Tokens [first, first + n) of one slice against one KV head.
struct Tile {
  const StepSlice* slice;
  size_t first;
  size_t n;
  size_t row;  // of the first token, in the step
};

void attend_tile(StepContext& ctx, size_t layer, const Tile& tile, size_t kv_head) {
  const ModelSpec& spec = ctx.spec;
  const size_t group = spec.n_heads / spec.n_kv_heads;
  const float* q[kMaxAttentionRows];
  float* out[kMaxAttentionRows];
  uint32_t limit[kMaxAttentionRows];
  AttentionArgs args;
  args.q = q;
  args.out = out;
  args.limit = limit;
  args.blocks = tile.slice->state->blocks(layer, kv_head);
  args.head_dim = spec.head_dim;
  args.scale = 1.0f / std::sqrt(static_cast<float>(spec.head_dim));
  args.request = tile.slice->request;
  args.layer = static_cast<uint32_t>(layer);
  args.kv_head = static_cast<uint32_t>(kv_head);
  // A group wider than the kernel's rows is cut; so is a tile of many tokens.
  size_t n_rows = 0;
  const auto flush = [&] {
    if (n_rows == 0) return;
    args.n_rows = n_rows;
    ctx.kernels.attention(args);
    n_rows = 0;
  };
  for (size_t t = 0; t < tile.n; ++t) {
    for (size_t g = 0; g < group; ++g) {
      const size_t offset = (tile.row + t) * spec.d_q() + (kv_head * group + g) * spec.head_dim;
      q[n_rows] = ctx.act.q.data() + offset;
      out[n_rows] = ctx.act.attended.values.data() + offset;
      limit[n_rows] = static_cast<uint32_t>(tile.slice->first_position + tile.first + t + 1);
      if (++n_rows == kMaxAttentionRows) flush();
    }
  }
  flush();
}

}  // namespace

void attend(StepContext& ctx, size_t layer) {
  std::vector<Tile> tiles;
  std::vector<std::pair<const StepSlice*, size_t>> tokens;  // of each row
  for (const StepSlice& slice : ctx.plan.slices) {
    for (size_t first = 0; first < slice.tokens.size(); first += kTileTokens) {
      tiles.push_back({&slice, first, std::min(kTileTokens, slice.tokens.size() - first), tokens.size() + first});
    }
    for (size_t t = 0; t < slice.tokens.size(); ++t) tokens.emplace_back(&slice, t);
  }
  const auto store = [&](size_t row) { rotate_and_store(ctx, layer, *tokens[row].first, tokens[row].second, row); };
  if (tokens.size() <= 2) {
    for (size_t row = 0; row < tokens.size(); ++row) store(row);
  } else {
    ctx.team.run(tokens.size(), store);
  }
  const size_t heads = ctx.spec.n_kv_heads;
  // Largest tiles first would need sorting; the last token tiles see most positions, so go backwards.
  ctx.team.run(tiles.size() * heads, [&](size_t task) {
    attend_tile(ctx, layer, tiles[tiles.size() - 1 - task / heads], task % heads);
  });
  quantize_rows(ctx, ctx.act.attended, tokens.size());
}

}  // namespace siskin
