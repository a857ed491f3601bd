// Time outside the engine: declared distributions of pre-processing and the network, sampled and added request by request.
#pragma once

#include <vector>

#include "selector/config.h"
#include "selector/random.h"

namespace siskin::selector {

// One draw in milliseconds; 0 for absent and measured parts (a measured one is already in the request's latency).
double draw_ms(const Part& part, Random& random);

// The part's own quantile in milliseconds; 0 for absent and measured parts.
double quantile_ms(const Part& part, double percentile);

// Each latency plus one independent draw of each declared part: samples of the sum, as many as there are latencies. More draws
// per latency would narrow nothing honestly: the confidence bound counts independent requests.
std::vector<double> convolved_ms(const std::vector<double>& latency_ms, const Budget& budget, uint64_t seed);

}  // namespace siskin::selector
