// Routing trace files: what is written is read, and every damaged byte is an error or a trace of experts that exist.
#include <siskin/routing_trace.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "formats/files/trace_format.h"
#include "formats/trace_file.h"
#include "tests/formats/files_support.h"

using namespace siskin;

namespace {

RoutingTrace small_trace() {
  RoutingTrace trace;
  trace.model = "tiny";
  trace.identity = 0x123456789abcdef0u;
  trace.n_layers = 3;
  trace.n_experts = 300;
  trace.expert_bytes = {1000, 0, 2000};
  for (int token = 0; token < 5; ++token) {
    trace.tokens.push_back(token * 7);
    trace.sequences.push_back(token < 3 ? 1 : 2);
    for (size_t layer = 0; layer < 3; ++layer) {
      for (size_t k = 0; layer != 1 && k < 2; ++k) {
        trace.experts.push_back(static_cast<uint16_t>(token * 50 + static_cast<int>(k + layer)));
        trace.weights.push_back(0.25f + 0.5f * static_cast<float>(k));
      }
      trace.offsets.push_back(trace.experts.size());
    }
  }
  return trace;
}

std::string with_right_sum(std::string bytes) {
  TraceHead head;
  std::memcpy(&head, bytes.data(), sizeof head);
  head.checksum = trace_checksum(head, testing::as_bytes(bytes).subspan(sizeof head));
  std::memcpy(bytes.data(), &head, sizeof head);
  return bytes;
}

}  // namespace

TEST_CASE("a trace is read as it was written", "[trace]") {
  const testing::TempFolder folder;
  const RoutingTrace trace = small_trace();
  REQUIRE(write_trace_file(folder / "t.trace", trace));
  const std::string bytes = testing::read_file(folder / "t.trace");
  CHECK(folder.entries() == 1);
  const auto read = parse_trace(testing::as_bytes(bytes), "t.trace");
  REQUIRE(read);
  CHECK(read->model == trace.model);
  CHECK(read->identity == trace.identity);
  CHECK(read->expert_bytes == trace.expert_bytes);
  CHECK(read->tokens == trace.tokens);
  CHECK(read->sequences == trace.sequences);
  CHECK(read->offsets == trace.offsets);
  CHECK(read->experts == trace.experts);
  CHECK(read->weights == trace.weights);  // F16 holds them
  CHECK(read->experts_of(4, 1).empty());
  CHECK(read->experts_of(4, 2)[1] == 203);
}

TEST_CASE("damaged traces are refused by name", "[trace]") {
  const testing::TempFolder folder;
  REQUIRE(write_trace_file(folder / "t.trace", small_trace()));
  const std::string bytes = testing::read_file(folder / "t.trace");
  const auto refused = [](const std::string& damaged) {
    const auto read = parse_trace(testing::as_bytes(damaged), "t");
    if (read) return false;
    CHECK(read.error().message.starts_with("t: "));
    return true;
  };
  // Cut anywhere, or with one byte changed: the check sum does not fit.
  for (size_t n = 0; n < bytes.size(); ++n) {
    CHECK(refused(bytes.substr(0, n)));
    std::string flipped = bytes;
    flipped[n] = static_cast<char>(flipped[n] ^ 0x41);
    CHECK(refused(flipped));
  }
  CHECK(refused(bytes + 'x'));
  // By somebody who can compute check sums: cut anywhere is still refused, and a changed byte gives experts that exist or an error.
  for (size_t n = sizeof(TraceHead); n < bytes.size(); ++n) CHECK(refused(with_right_sum(bytes.substr(0, n))));
  for (size_t n = 0; n < bytes.size(); ++n) {
    for (const int value : {0, 1, 0x7f, 0xff}) {
      std::string changed = bytes;
      changed[n] = static_cast<char>(value);
      const auto read = parse_trace(testing::as_bytes(changed = with_right_sum(changed)), "t");
      if (!read) continue;
      for (const uint16_t expert : read->experts) CHECK(expert < read->n_experts);
      CHECK(read->offsets.size() == read->n_tokens() * read->n_layers + 1);
    }
  }
}
