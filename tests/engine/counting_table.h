// A kernel table that runs another and writes down what it read: the ledger's independent witness.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "kernels/select.h"

namespace siskin::test {

// What one step read, each piece once however often kernels came back to it.
struct Reads {
  // (tensor, slice, strip) -> bytes, and real weights of that strip.
  std::map<std::tuple<uint32_t, uint32_t, size_t>, std::pair<uint64_t, uint64_t>> strips;
  std::map<std::pair<uint32_t, size_t>, std::pair<uint64_t, uint64_t>> rows;  // (tensor, row): embedding lookups
  std::map<std::pair<uint32_t, const float*>, uint64_t> vectors;              // (tensor, start of a piece) -> bytes
  std::set<const float*> sinks;
  // (request, layer, head) -> the positions read, and bytes of one.
  std::map<std::tuple<uint32_t, uint32_t, uint32_t>, std::pair<std::vector<bool>, uint64_t>> kv;
  uint64_t kv_written = 0;
  uint64_t flops = 0;
  uint64_t flops_bf16 = 0;  // of these, in matmul_any_bf16

  uint64_t weight_bytes() const;
  uint64_t kv_bytes() const;
};

// The instruction set `base` behind counters. One at a time in a process.
const Isa& counting_isa(const Isa& base);
// What was read since the last call.
Reads take_reads();

}  // namespace siskin::test
