#include "engine/blocks/attention.h"

#include <algorithm>
#include <atomic>

#include "engine/blocks/linear.h"

namespace siskin {
namespace {

// Tiles of at most this many rows are cut into spans.
constexpr size_t kCutRows = 16;

using Tile = AttentionGrid::Tile;

void rotate_and_store(StepContext& ctx, size_t layer, const StepSlice& slice, size_t token, size_t row) {
  const ModelSpec& spec = ctx.spec;
  const size_t position = slice.first_position + token;
  Activations& act = ctx.act;
  RopeArgs rope;
  rope.head_dim = spec.head_dim;
  rope.n_rot = spec.n_rot;
  const RopeTable& table = spec.is_local(layer) ? ctx.local_rope : ctx.rope;
  rope.cos = table.cos.data() + position * table.half;
  rope.sin = table.sin.data() + position * table.half;
  rope.interleaved = spec.rope.interleaved;
  rope.x = act.q.data() + row * spec.d_q();
  rope.n_heads = spec.n_heads;
  ctx.kernels.rope(rope);
  rope.x = act.k.data() + row * spec.d_kv();
  rope.n_heads = spec.n_kv_heads;
  ctx.kernels.rope(rope);
  for (size_t head = 0; head < spec.n_kv_heads; ++head) {
    const size_t offset = row * spec.d_kv() + head * spec.head_dim;
    ctx.kernels.kv_store({slice.state->type(), act.k.data() + offset, act.v.data() + offset, spec.head_dim,
                          slice.state->blocks(layer, head)[position / kKvPositions], position % kKvPositions});
  }
}

size_t group_of(const ModelSpec& spec) { return spec.n_heads / spec.n_kv_heads; }

// Tiles and tasks depend on the step's shapes and the layer's window alone. Later tokens see more positions, so their tasks
// come first.
void make_grid(const StepContext& ctx, size_t layer, AttentionGrid& grid) {
  const size_t heads = ctx.spec.n_kv_heads, group = group_of(ctx.spec);
  const size_t tile_tokens = std::max<size_t>(1, kMaxAttentionRows / group);
  grid.tiles.clear();
  grid.tasks.clear();
  size_t row = 0, partials = 0, counters = 0;
  for (const StepSlice& slice : ctx.plan.slices) {
    for (size_t first = 0; first < slice.tokens.size(); first += tile_tokens) {
      Tile tile{&slice, first, std::min(tile_tokens, slice.tokens.size() - first), row + first, 0, 0, partials, counters};
      const size_t position = slice.first_position + first;
      tile.first_span = ctx.spec.first_visible(layer, position) / kAttentionSpan;
      const size_t spans = (position + tile.n + kAttentionSpan - 1) / kAttentionSpan - tile.first_span;
      if (tile.n * group <= kCutRows && spans > 1) {
        tile.n_spans = spans;
        partials += heads * tile.n_spans * tile.n * group * (ctx.spec.head_dim + 2);
        counters += heads;
      }
      grid.tiles.push_back(tile);
    }
    row += slice.tokens.size();
  }
  grid.partials.resize(partials);
  grid.unfinished.resize(counters);
  for (size_t at = grid.tiles.size(); at-- > 0;) {
    const Tile& tile = grid.tiles[at];
    for (size_t head = 0; head < heads; ++head) {
      for (size_t span = std::max<size_t>(1, tile.n_spans); span-- > 0;) {
        grid.tasks.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(head), static_cast<uint32_t>(span)});
      }
      if (tile.n_spans > 0) grid.unfinished[tile.first_counter + head] = static_cast<uint32_t>(tile.n_spans);
    }
  }
}

// Columns of a KV head's query heads, in act.q and act.attended.
size_t first_column(const ModelSpec& spec, size_t kv_head) { return kv_head * group_of(spec) * spec.head_dim; }

// The rows of a tile: each token's query heads.
struct TileRows {
  const float* q[kMaxAttentionRows];
  float* out[kMaxAttentionRows];
  uint32_t first[kMaxAttentionRows];
  uint32_t limit[kMaxAttentionRows];
  size_t n = 0;
};

// Runs the kernel over all rows of a tile, in parts where a group is wider than the kernel takes.
void attend_tile(StepContext& ctx, size_t layer, const Tile& tile, size_t kv_head, float* partials, size_t span) {
  const ModelSpec& spec = ctx.spec;
  TileRows rows;
  AttentionArgs args;
  args.q = rows.q;
  args.out = rows.out;
  args.first = rows.first;
  args.limit = rows.limit;
  args.blocks = tile.slice->state->blocks(layer, kv_head);
  args.kv_type = tile.slice->state->type();
  args.head_dim = spec.head_dim;
  args.scale = spec.attention_scale;
  args.partials = partials;
  args.span = span;
  args.request = tile.slice->request;
  args.layer = static_cast<uint32_t>(layer);
  args.kv_head = static_cast<uint32_t>(kv_head);
  const auto flush = [&] {
    if (rows.n == 0) return;
    args.n_rows = rows.n;
    ctx.kernels.attention(args);
    rows.n = 0;
  };
  for (size_t t = 0; t < tile.n; ++t) {
    const size_t position = tile.slice->first_position + tile.first + t;
    for (size_t g = 0; g < group_of(spec); ++g) {
      const size_t offset = (tile.row + t) * spec.d_q() + first_column(spec, kv_head) + g * spec.head_dim;
      rows.q[rows.n] = ctx.act.q.data() + offset;
      rows.out[rows.n] = ctx.act.attended.values.data() + offset;
      rows.first[rows.n] = static_cast<uint32_t>(spec.first_visible(layer, position));
      rows.limit[rows.n] = static_cast<uint32_t>(position + 1);
      if (++rows.n == kMaxAttentionRows) flush();
    }
  }
  flush();
}

void merge_tile(StepContext& ctx, const Tile& tile, size_t kv_head, const float* partials) {
  const ModelSpec& spec = ctx.spec;
  const size_t group = group_of(spec), row_size = spec.head_dim + 2;
  for (size_t row = 0; row < tile.n * group; ++row) {
    AttentionMergeArgs args;
    args.partials = partials + row * row_size;
    args.stride = tile.n * group * row_size;
    args.n_spans = tile.n_spans;
    args.head_dim = spec.head_dim;
    args.out = ctx.act.attended.row(tile.row + row / group) + first_column(spec, kv_head) + row % group * spec.head_dim;
    ctx.kernels.attention_merge(args);
  }
}

// One task; returns whether its tile's outputs are complete with it.
bool run_task(StepContext& ctx, size_t layer, AttentionGrid& grid, const AttentionGrid::Task& task) {
  const Tile& tile = grid.tiles[task.tile];
  if (tile.n_spans == 0) {
    attend_tile(ctx, layer, tile, task.kv_head, nullptr, 0);
    return true;
  }
  const size_t span_size = tile.n * group_of(ctx.spec) * (ctx.spec.head_dim + 2);
  float* partials = grid.partials.data() + tile.first_partial + task.kv_head * tile.n_spans * span_size;
  attend_tile(ctx, layer, tile, task.kv_head, partials + task.span * span_size, tile.first_span + task.span);
  std::atomic_ref<uint32_t> unfinished(grid.unfinished[tile.first_counter + task.kv_head]);
  if (unfinished.fetch_sub(1, std::memory_order_acq_rel) != 1) return false;
  merge_tile(ctx, tile, task.kv_head, partials);
  return true;
}

}  // namespace

void attend(StepContext& ctx, size_t layer) {
  AttentionGrid& grid = ctx.act.attention;
  make_grid(ctx, layer, grid);
  const size_t n = ctx.plan.n_tokens();
  const auto store = [&](size_t at) {
    const Tile& tile = grid.tiles[at];
    for (size_t t = 0; t < tile.n; ++t) rotate_and_store(ctx, layer, *tile.slice, tile.first + t, tile.row + t);
  };
  ctx.enter(Part::rope);
  if (n <= 2) {
    for (size_t at = 0; at < grid.tiles.size(); ++at) store(at);
  } else {
    ctx.team.run(grid.tiles.size(), store);
  }
  ctx.enter(Part::attention);
  // A KV head's columns are rounded with the task that completes them, where they are whole blocks.
  const size_t columns = group_of(ctx.spec) * ctx.spec.head_dim;
  const bool whole_blocks = columns % kQuantBlock == 0;
  ctx.team.run(grid.tasks.size(), [&](size_t at) {
    const AttentionGrid::Task& task = grid.tasks[at];
    if (!run_task(ctx, layer, grid, task) || !whole_blocks) return;
    const Tile& tile = grid.tiles[task.tile];
    for (size_t t = 0; t < tile.n; ++t) {
      ctx.act.attended.quantize(ctx.kernels, tile.row + t, first_column(ctx.spec, task.kv_head), columns);
    }
  });
  if (!whole_blocks) quantize_rows(ctx, ctx.act.attended, n);
}

}  // namespace siskin
