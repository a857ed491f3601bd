#include "engine/blocks/attention.h"

#include <algorithm>
#include <atomic>

#include "engine/blocks/head_groups.h"
#include "engine/blocks/linear.h"
#include "engine/blocks/norm.h"

namespace siskin {
namespace {

// Tiles of at most this many rows are cut into spans.
constexpr size_t kCutRows = 16;

using Tile = AttentionGrid::Tile;

// w: null where the norm has no weights.
void norm_heads(const StepContext& ctx, const Tensor* w, float* x, size_t n_heads) {
  const float* values = w == nullptr ? nullptr : w->values.data();
  const uint32_t id = w == nullptr ? 0 : w->id;
  for (size_t head = 0; head < n_heads; ++head, x += ctx.spec.head_dim) {
    ctx.kernels.rms_norm({x, values, x, ctx.spec.head_dim, ctx.spec.rms_eps, id});
  }
}

// Heads [first, first + n) of a row of queries, and those of its keys and values.
struct HeadRange {
  size_t first, n;
  size_t first_kv, n_kv;
};

HeadRange all_heads(const ModelSpec& spec) { return {0, spec.n_heads, 0, spec.n_kv_heads}; }

// Of a group that has its KV head to itself.
HeadRange heads_of(const HeadGroups& groups, size_t group) { return {group * groups.heads, groups.heads, group, 1}; }

float* query(const StepContext& ctx, size_t row, size_t head) {
  std::vector<float>& queries = ctx.spec.is_latent() ? ctx.act.q_latent : ctx.act.q;
  return queries.data() + (row * ctx.spec.n_heads + head) * ctx.spec.key_width();
}

float* key(const StepContext& ctx, size_t row, size_t kv_head) {
  return ctx.act.k.data() + row * ctx.spec.d_k() + kv_head * ctx.spec.key_width();
}

void rotate(const StepContext& ctx, size_t layer, size_t position, size_t row, const HeadRange& heads) {
  const ModelSpec& spec = ctx.spec;
  const RopeTable& table = spec.is_local(layer) ? ctx.local_rope : ctx.rope;
  RopeArgs rope;
  rope.n_rot = spec.n_rot;
  rope.cos = table.cos.data() + position * table.half;
  rope.sin = table.sin.data() + position * table.half;
  rope.interleaved = spec.rope.interleaved;
  // Of a latent and its queries the end is rotated, of others the beginning.
  const size_t keys = spec.key_width(), unrotated = spec.is_latent() ? keys - spec.n_rot : 0;
  rope.head_dim = keys;
  rope.x = query(ctx, row, heads.first) + unrotated;
  rope.n_heads = heads.n;
  ctx.kernels.rope(rope);
  rope.x = key(ctx, row, heads.first_kv) + unrotated;
  rope.n_heads = heads.n_kv;
  ctx.kernels.rope(rope);
  if (spec.norm_behind_rope) {
    norm_heads(ctx, ctx.weights.find(Slot::attn_q_norm, layer), query(ctx, row, heads.first), heads.n);
    norm_heads(ctx, ctx.weights.find(Slot::attn_k_norm, layer), key(ctx, row, heads.first_kv), heads.n_kv);
  }
}

// Source: Scalable-Softmax (arXiv 2501.19399), as Llama 4 uses it.
void scale_query(const StepContext& ctx, size_t position, size_t row, const HeadRange& heads) {
  const float by = ctx.spec.query_scale(position);
  float* q = query(ctx, row, heads.first);
  for (size_t j = 0; j < heads.n * ctx.spec.key_width(); ++j) q[j] *= by;
}

void rotate_and_store(const StepContext& ctx, size_t layer, const Tile& tile, const HeadRange& heads) {
  const ModelSpec& spec = ctx.spec;
  for (size_t t = 0; t < tile.n; ++t) {
    const size_t position = tile.slice->first_position + tile.first + t, row = tile.row + t;
    if (spec.is_rotated(layer)) {
      rotate(ctx, layer, position, row, heads);
    } else if (spec.query_growth != 0) {
      scale_query(ctx, position, row, heads);
    }
    for (size_t head = heads.first_kv; head < heads.first_kv + heads.n_kv; ++head) {
      const float* v = spec.is_latent() ? nullptr : ctx.act.v.data() + row * spec.d_v() + head * spec.value_dim;
      ctx.kernels.kv_store({tile.slice->state->type(), key(ctx, row, head), v, spec.key_width(), spec.value_width(),
                            tile.slice->state->blocks(layer, head)[position / kKvPositions], position % kKvPositions});
    }
  }
}

// Tiles and tasks depend on the step's shapes and the layer's window alone. Later tokens see more positions, so their tasks
// come first.
void make_grid(const StepContext& ctx, size_t layer, const HeadGroups& groups, AttentionGrid& grid) {
  const size_t tile_tokens = std::max<size_t>(1, kMaxAttentionRows / groups.heads);
  grid.tiles.clear();
  grid.tasks.clear();
  size_t row = 0, partials = 0, counters = 0;
  for (const StepSlice& slice : ctx.plan.slices) {
    for (size_t first = 0; first < slice.tokens.size(); first += tile_tokens) {
      Tile tile{&slice, first, std::min(tile_tokens, slice.tokens.size() - first), row + first, 0, 0, partials, counters};
      const size_t position = slice.first_position + first;
      tile.first_span = ctx.spec.first_visible(layer, position) / kAttentionSpan;
      const size_t spans = (position + tile.n + kAttentionSpan - 1) / kAttentionSpan - tile.first_span;
      if (tile.n * groups.heads <= kCutRows && spans > 1) {
        tile.n_spans = spans;
        partials += groups.n * tile.n_spans * tile.n * groups.heads * (ctx.spec.value_width() + 2);
        counters += groups.n;
      }
      grid.tiles.push_back(tile);
    }
    row += slice.tokens.size();
  }
  grid.partials.resize(partials);
  grid.unfinished.resize(counters);
  for (size_t at = grid.tiles.size(); at-- > 0;) {
    const Tile& tile = grid.tiles[at];
    for (size_t group = 0; group < groups.n; ++group) {
      for (size_t span = std::max<size_t>(1, tile.n_spans); span-- > 0;) {
        grid.tasks.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(group), static_cast<uint32_t>(span)});
      }
      if (tile.n_spans > 0) grid.unfinished[tile.first_counter + group] = static_cast<uint32_t>(tile.n_spans);
    }
  }
}

// Sums of latents are the rows of a product for each head; those of values are the columns of the output's rows.
float* output(StepContext& ctx, size_t row, size_t head) {
  if (ctx.spec.is_latent()) return ctx.act.by_head.row(head * ctx.plan.n_tokens() + row);
  return ctx.act.attended.row(row) + head * ctx.spec.value_dim;
}

const float* sink_of(const StepContext& ctx, size_t layer, size_t head) {
  const Tensor* sinks = ctx.weights.find(Slot::attn_sinks, layer);
  return sinks == nullptr ? nullptr : sinks->values.data() + head;
}

// The rows of a tile: each token's query heads.
struct TileRows {
  const float* q[kMaxAttentionRows];
  float* out[kMaxAttentionRows];
  const float* sinks[kMaxAttentionRows];
  uint32_t first[kMaxAttentionRows];
  uint32_t limit[kMaxAttentionRows];
  size_t n = 0;
};

// Long tiles may go to bf16 (kernels.h, Bf16Rows). A slice's last tile, if it is short, does not: its tokens are as few as a
// batch's of decoding.
AttentionFn attention_of(const StepContext& ctx, const Tile& tile, size_t rows) {
  const size_t from = ctx.kernels.bf16_rows.attention;
  const bool fits = !ctx.spec.is_latent() && std::max(ctx.spec.key_width(), ctx.spec.value_width()) <= kMaxBf16HeadDim;
  const bool bf16 = from != 0 && rows >= from && fits && tile.slice->state->type() != DType::F32;
  return bf16 ? ctx.kernels.attention_bf16 : ctx.kernels.attention;
}

// Runs the kernel over all rows of a tile, in parts where a group is wider than the kernel takes.
void attend_tile(StepContext& ctx, size_t layer, const HeadGroups& groups, const Tile& tile, size_t group, float* partials,
                 size_t span) {
  const ModelSpec& spec = ctx.spec;
  const size_t kv_head = groups.kv_head(group), row_size = spec.value_width() + 2;
  TileRows rows;
  const AttentionFn attention = attention_of(ctx, tile, tile.n * groups.heads);
  AttentionArgs args;
  args.q = rows.q;
  args.out = rows.out;
  args.first = rows.first;
  args.limit = rows.limit;
  args.sinks = sink_of(ctx, layer, 0) == nullptr ? nullptr : rows.sinks;
  args.blocks = tile.slice->state->blocks(layer, kv_head);
  args.kv_type = tile.slice->state->type();
  args.key_dim = spec.key_width();
  args.value_dim = spec.value_width();
  args.scale = spec.attention_scale;
  args.partials = partials;
  args.span = span;
  args.request = tile.slice->request;
  args.layer = static_cast<uint32_t>(layer);
  args.kv_head = static_cast<uint32_t>(kv_head);
  const auto flush = [&] {
    if (rows.n == 0) return;
    args.n_rows = rows.n;
    attention(args);
    if (partials != nullptr) args.partials += rows.n * row_size;
    rows.n = 0;
  };
  for (size_t t = 0; t < tile.n; ++t) {
    const size_t position = tile.slice->first_position + tile.first + t;
    for (size_t head = group * groups.heads; head < (group + 1) * groups.heads; ++head) {
      rows.q[rows.n] = query(ctx, tile.row + t, head);
      rows.out[rows.n] = output(ctx, tile.row + t, head);
      rows.sinks[rows.n] = sink_of(ctx, layer, head);
      rows.first[rows.n] = static_cast<uint32_t>(spec.first_visible(layer, position));
      rows.limit[rows.n] = static_cast<uint32_t>(position + 1);
      if (++rows.n == kMaxAttentionRows) flush();
    }
  }
  flush();
}

void merge_tile(StepContext& ctx, size_t layer, const HeadGroups& groups, const Tile& tile, size_t group,
                const float* partials) {
  const size_t row_size = ctx.spec.value_width() + 2;
  for (size_t row = 0; row < tile.n * groups.heads; ++row) {
    const size_t head = group * groups.heads + row % groups.heads;
    AttentionMergeArgs args;
    args.partials = partials + row * row_size;
    args.stride = tile.n * groups.heads * row_size;
    args.n_spans = tile.n_spans;
    args.value_dim = ctx.spec.value_width();
    args.out = output(ctx, tile.row + row / groups.heads, head);
    args.sink = sink_of(ctx, layer, head);
    ctx.kernels.attention_merge(args);
  }
}

// One task; returns whether its tile's outputs are complete with it.
bool run_task(StepContext& ctx, size_t layer, const HeadGroups& groups, AttentionGrid& grid, const AttentionGrid::Task& task) {
  const Tile& tile = grid.tiles[task.tile];
  if (tile.n_spans == 0) {
    attend_tile(ctx, layer, groups, tile, task.group, nullptr, 0);
    return true;
  }
  const size_t span_size = tile.n * groups.heads * (ctx.spec.value_width() + 2);
  float* partials = grid.partials.data() + tile.first_partial + task.group * tile.n_spans * span_size;
  attend_tile(ctx, layer, groups, tile, task.group, partials + task.span * span_size, tile.first_span + task.span);
  std::atomic_ref<uint32_t> unfinished(grid.unfinished[tile.first_counter + task.group]);
  if (unfinished.fetch_sub(1, std::memory_order_acq_rel) != 1) return false;
  merge_tile(ctx, layer, groups, tile, task.group, partials);
  return true;
}

// Whether each task alone writes what it reads of the step's own keys and values, so that it can store them itself: a decode
// step's blocks come from memory, and all threads fetch them rather than one.
bool stores_its_own(const StepPlan& plan, const HeadGroups& groups, const AttentionGrid& grid) {
  return groups.per_kv == 1 && grid.tiles.size() <= plan.slices.size() &&
         std::all_of(grid.tiles.begin(), grid.tiles.end(), [](const Tile& tile) { return tile.n_spans == 0; });
}

}  // namespace

void attend(StepContext& ctx, size_t layer) {
  const HeadGroups groups(ctx.spec);
  AttentionGrid& grid = ctx.act.attention;
  make_grid(ctx, layer, groups, grid);
  const size_t n = ctx.plan.n_tokens();
  const bool stored_by_task = stores_its_own(ctx.plan, groups, grid);
  if (!stored_by_task) {
    ctx.enter(Part::rope);
    const auto store = [&](size_t at) { rotate_and_store(ctx, layer, grid.tiles[at], all_heads(ctx.spec)); };
    if (n <= 2) {
      for (size_t at = 0; at < grid.tiles.size(); ++at) store(at);
    } else {
      ctx.team.run(grid.tiles.size(), store);
    }
  }
  ctx.enter(Part::attention);
  // A group's columns are rounded with the task that completes them, where they are whole blocks.
  const size_t columns = groups.heads * ctx.spec.value_dim;
  const bool whole_blocks = !ctx.spec.is_latent() && columns % kQuantBlock == 0;
  ctx.team.run(grid.tasks.size(), [&](size_t at) {
    const AttentionGrid::Task& task = grid.tasks[at];
    if (stored_by_task) rotate_and_store(ctx, layer, grid.tiles[task.tile], heads_of(groups, task.group));
    if (!run_task(ctx, layer, groups, grid, task) || !whole_blocks) return;
    const Tile& tile = grid.tiles[task.tile];
    for (size_t t = 0; t < tile.n; ++t) {
      ctx.act.attended.quantize(ctx.kernels, tile.row + t, task.group * columns, columns);
    }
  });
  if (ctx.spec.is_latent()) return quantize_rows(ctx, ctx.act.by_head, n * ctx.spec.n_heads);
  if (!whole_blocks) quantize_rows(ctx, ctx.act.attended, n);
}

}  // namespace siskin
