// libFuzzer target of the routing trace parser: any bytes give an error that names the file, or rows of experts that exist. The check
// sum is made to fit, or nothing would get past it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "formats/files/trace_format.h"
#include "formats/trace_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::byte> bytes(size);
  if (size != 0) std::memcpy(bytes.data(), data, size);
  siskin::TraceHead head;
  if (size >= sizeof head) {
    std::memcpy(&head, bytes.data(), sizeof head);
    head.checksum = siskin::trace_checksum(head, std::span(bytes).subspan(sizeof head));
    std::memcpy(bytes.data(), &head, sizeof head);
  }
  const auto trace = siskin::parse_trace(bytes, "fuzz");
  if (!trace) {
    if (!trace.error().message.starts_with("fuzz: ")) std::abort();
    return 0;
  }
  if (trace->sequences.size() != trace->n_tokens() || trace->expert_bytes.size() != trace->n_layers) std::abort();
  for (size_t token = 0; token < trace->n_tokens(); ++token) {
    for (size_t layer = 0; layer < trace->n_layers; ++layer) {
      if (trace->weights_of(token, layer).size() != trace->experts_of(token, layer).size()) std::abort();
      for (const uint16_t expert : trace->experts_of(token, layer)) {
        if (expert >= trace->n_experts) std::abort();
      }
    }
  }
  return 0;
}
