// Appending a step's routing to a trace, and a step that is routed by one.
#pragma once

#include <siskin/routing_trace.h>

#include "engine/step.h"

namespace siskin {

// Sequences are the requests' numbers.
void append_step(const StepPlan& plan, const StepTrace& step, RoutingTrace& trace);

// The trace's experts for the plan's tokens, by position and request (SessionOptions::routing), instead of `routing`'s.
void replay_routing(const RoutingTrace& trace, const StepPlan& plan, size_t layer, Routing& routing);

}  // namespace siskin
