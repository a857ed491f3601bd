// Traces as they are made, loaded and saved.
#include "engine/trace/record.h"

#include <siskin/trace.h>

#include "engine/model_impl.h"
#include "formats/files/mapped_file.h"
#include "formats/trace_file.h"
#include "formats/try.h"

namespace siskin {

Result<RoutingTrace> new_trace(const Model& model) {
  const Model::Impl& impl = model.impl();
  constexpr size_t kMostExperts = 0xffff;
  if (!impl.spec.is_moe() || impl.spec.n_experts > kMostExperts) {
    return Error{ErrorCode::unsupported, impl.info.name + ": " + std::to_string(impl.spec.n_experts) +
                                             " experts; a routing trace is of a model that has 1 to 65535"};
  }
  RoutingTrace trace;
  trace.model = impl.info.name;
  trace.identity = impl.info.identity;
  trace.n_layers = impl.spec.n_layers;
  trace.n_experts = impl.spec.n_experts;
  for (size_t layer = 0; layer < trace.n_layers; ++layer) trace.expert_bytes.push_back(impl.ledger->expert_bytes(layer));
  return trace;
}

void append_step(const StepPlan& plan, const StepTrace& step, RoutingTrace& trace) {
  size_t row = 0;
  for (const StepSlice& slice : plan.slices) {
    for (const int32_t token : slice.tokens) {
      trace.tokens.push_back(token);
      trace.sequences.push_back(slice.request);
      for (const Routing& routing : step.routing) {
        const bool moe = row < routing.n_tokens();
        const size_t begin = moe ? routing.offsets[row] : 0, end = moe ? routing.offsets[row + 1] : 0;
        for (size_t entry = begin; entry < end; ++entry) {
          trace.experts.push_back(static_cast<uint16_t>(routing.expert_ids[entry]));
          trace.weights.push_back(routing.weights[entry]);
        }
        trace.offsets.push_back(trace.experts.size());
      }
      ++row;
    }
  }
}

void replay_routing(const RoutingTrace& trace, const StepPlan& plan, size_t layer, Routing& routing) {
  constexpr size_t kRequestStride = 997;  // requests of one step read other parts of the trace
  routing.offsets.assign(1, 0);
  routing.expert_ids.clear();
  routing.weights.clear();
  for (const StepSlice& slice : plan.slices) {
    for (size_t i = 0; i < slice.tokens.size(); ++i) {
      const size_t token = (slice.first_position + i + slice.request * kRequestStride) % trace.n_tokens();
      const auto experts = trace.experts_of(token, layer);
      const auto weights = trace.weights_of(token, layer);
      routing.expert_ids.insert(routing.expert_ids.end(), experts.begin(), experts.end());
      routing.weights.insert(routing.weights.end(), weights.begin(), weights.end());
      routing.offsets.push_back(static_cast<uint32_t>(routing.expert_ids.size()));
    }
  }
}

Result<RoutingTrace> load_trace(const std::filesystem::path& path) {
  SISKIN_TRY(const MappedFile file, MappedFile::open(path));
  return parse_trace(file.bytes(), file.name());
}

Status save_trace(const std::filesystem::path& path, const RoutingTrace& trace) { return write_trace_file(path, trace); }

}  // namespace siskin
