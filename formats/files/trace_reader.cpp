// Parses a routing trace: every count is held against the bytes that are left before it sizes anything.
#include <cstring>
#include <string>

#include "formats/blocks/half.h"
#include "formats/files/error_text.h"
#include "formats/files/gguf_cursor.h"
#include "formats/files/trace_format.h"
#include "formats/trace_file.h"
#include "formats/try.h"

namespace siskin {
namespace {

Result<TraceHead> read_head(std::span<const std::byte> bytes, const std::string& name) {
  const std::string_view begin(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kTraceMagic.size()));
  if (begin != kTraceMagic) {
    return corrupt_at(name, 0, "not a routing trace: it begins with " + in_quotes(begin) + ", expected 'SISKINRT'");
  }
  TraceHead head;
  if (bytes.size() < sizeof head) {
    return corrupt_file(name, "a routing trace of " + std::to_string(bytes.size()) + " bytes, expected at least 56");
  }
  std::memcpy(&head, bytes.data(), sizeof head);
  if (head.version != kTraceVersion || head.reserved != 0) {
    return unsupported_file(name, "routing trace version " + std::to_string(head.version) + ", expected 1");
  }
  if (trace_checksum(head, bytes.subspan(sizeof head)) != head.checksum) {
    return corrupt_file(name, "the check sum is wrong: the file is damaged or was cut short");
  }
  if (head.n_layers == 0 || head.n_layers > kMostTraceLayers || head.n_experts == 0 || head.n_experts > kMostTraceExperts) {
    return corrupt_at(name, 12, std::to_string(head.n_layers) + " layers of " + std::to_string(head.n_experts) +
                                    " experts, expected 1 to 1048576 and 1 to 65535");
  }
  return head;
}

Status read_row(GgufCursor& cursor, RoutingTrace& trace) {
  SISKIN_TRY(const uint8_t n, cursor.number<uint8_t>("a row of experts"));
  if (cursor.left() < n * size_t{4}) {
    return corrupt_at(cursor.file(), cursor.offset(), "a row of " + std::to_string(n) + " experts, the file ends before");
  }
  for (size_t i = 0; i < n; ++i) {
    SISKIN_TRY(const uint16_t expert, cursor.number<uint16_t>("an expert"));
    if (expert >= trace.n_experts) {
      return corrupt_at(cursor.file(), cursor.offset() - 2,
                        "expert " + std::to_string(expert) + ", expected one of " + std::to_string(trace.n_experts));
    }
    trace.experts.push_back(expert);
  }
  for (size_t i = 0; i < n; ++i) {
    SISKIN_TRY(const uint16_t weight, cursor.number<uint16_t>("a weight"));
    trace.weights.push_back(f32_from_f16(weight));
  }
  trace.offsets.push_back(trace.experts.size());
  return {};
}

}  // namespace

Result<RoutingTrace> parse_trace(std::span<const std::byte> bytes, const std::string& name) {
  SISKIN_TRY(const TraceHead head, read_head(bytes, name));
  GgufCursor cursor(bytes, name);
  SISKIN_TRY(const TraceHead skipped, cursor.number<TraceHead>("the head"));
  static_cast<void>(skipped);
  RoutingTrace trace;
  trace.identity = head.identity;
  trace.n_layers = head.n_layers;
  trace.n_experts = head.n_experts;
  // What a token takes at least: its id, its text, and a count per layer.
  const size_t token_bytes = 8 + trace.n_layers;
  const size_t fixed = head.name_bytes + trace.n_layers * sizeof(uint64_t);
  if (cursor.left() < fixed || head.n_tokens > (cursor.left() - fixed) / token_bytes) {
    return corrupt_at(name, 32, std::to_string(head.n_tokens) + " tokens, more than the file's " + std::to_string(bytes.size()) +
                                    " bytes can hold");
  }
  for (size_t i = 0; i < head.name_bytes; ++i) {
    SISKIN_TRY(const char c, cursor.number<char>("the model's name"));
    trace.model += c;
  }
  for (size_t layer = 0; layer < trace.n_layers; ++layer) {
    SISKIN_TRY(const uint64_t expert_bytes, cursor.number<uint64_t>("an expert's bytes"));
    trace.expert_bytes.push_back(expert_bytes);
  }
  trace.tokens.reserve(head.n_tokens);
  trace.offsets.reserve(head.n_tokens * trace.n_layers + 1);
  for (uint64_t token = 0; token < head.n_tokens; ++token) {
    SISKIN_TRY(const int32_t id, cursor.number<int32_t>("a token"));
    SISKIN_TRY(const uint32_t sequence, cursor.number<uint32_t>("a token's text"));
    trace.tokens.push_back(id);
    trace.sequences.push_back(sequence);
    for (size_t layer = 0; layer < trace.n_layers; ++layer) SISKIN_TRY_STATUS(read_row(cursor, trace));
  }
  if (cursor.left() != 0) return corrupt_at(name, cursor.offset(), std::to_string(cursor.left()) + " bytes behind the last token");
  return trace;
}

}  // namespace siskin
