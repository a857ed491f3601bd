// What rows of one group say beside each other: steps of several requests against one, and steps by experts per token.
#pragma once

#include <span>
#include <string>

#include "bench/siskin_bench/row.h"

namespace siskin::bench {

// Step times compared at equal bandwidth: each sample's time is scaled to the group's median of the paired read loops.
std::vector<double> step_times_at_equal_bandwidth(const Row& row, double read_gb_s);

// For every count of parallel requests: the step, the union of bytes it touched, its time over (those bytes / paired
// bandwidth), its ratio to one row. Empty when the group has one count.
std::string small_batches_table(std::span<const Row> group);

// t = a + b k over k experts per token, how much of a its bytes explain, and a's share at the largest k. Empty unless the group
// has two k.
std::string top_k_table(std::span<const Row> group);

}  // namespace siskin::bench
