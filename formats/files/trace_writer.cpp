// Writes routing traces.
#include <cstring>
#include <vector>

#include "formats/blocks/half.h"
#include "formats/check.h"
#include "formats/files/atomic_file.h"
#include "formats/files/trace_format.h"
#include "formats/trace_file.h"
#include "formats/try.h"

namespace siskin {
namespace {

template <class T>
void append(std::vector<std::byte>& out, const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

Status write_trace_file(const std::filesystem::path& path, const RoutingTrace& trace) {
  SISKIN_CHECK(trace.n_experts > 0 && trace.n_experts <= kMostTraceExperts && trace.expert_bytes.size() == trace.n_layers);
  SISKIN_CHECK(trace.offsets.size() == trace.n_tokens() * trace.n_layers + 1 && trace.sequences.size() == trace.n_tokens());
  std::vector<std::byte> rest;
  for (const char c : trace.model) append(rest, c);
  for (const uint64_t bytes : trace.expert_bytes) append(rest, bytes);
  for (size_t token = 0; token < trace.n_tokens(); ++token) {
    append(rest, trace.tokens[token]);
    append(rest, trace.sequences[token]);
    for (size_t layer = 0; layer < trace.n_layers; ++layer) {
      const auto experts = trace.experts_of(token, layer);
      SISKIN_CHECK(experts.size() <= 0xff);
      append(rest, static_cast<uint8_t>(experts.size()));
      for (const uint16_t expert : experts) append(rest, expert);
      for (const float weight : trace.weights_of(token, layer)) append(rest, f16_from_f32(weight));
    }
  }
  TraceHead head{};
  std::memcpy(head.magic, kTraceMagic.data(), kTraceMagic.size());
  head.version = kTraceVersion;
  head.n_layers = static_cast<uint32_t>(trace.n_layers);
  head.n_experts = static_cast<uint32_t>(trace.n_experts);
  head.name_bytes = static_cast<uint32_t>(trace.model.size());
  head.identity = trace.identity;
  head.n_tokens = trace.n_tokens();
  head.checksum = trace_checksum(head, rest);
  SISKIN_TRY(AtomicFile file, AtomicFile::create(path, sizeof head + rest.size()));
  SISKIN_TRY_STATUS(file.write(std::as_bytes(std::span(&head, 1))));
  SISKIN_TRY_STATUS(file.write(rest));
  return file.commit();
}

}  // namespace siskin
