// Projection: from the rate that one replica carries to replicas, dollars and idle share at a volume.
#pragma once

#include <optional>

#include "selector/config.h"

namespace siskin::selector {

inline constexpr double kHoursPerMonth = 730;  // 365 * 24 / 12

struct CostRow {
  double qps = 0;
  size_t replicas = 0;
  std::optional<double> usd_per_month, usd_per_request;  // absent without a price
  double idle_share = 0;                                 // of the replicas' highest rate, what this volume leaves unused
  double load_qps_per_replica = 0;
};

// N(Q) = max(min_replicas, ceil(Q / (headroom * max_qps))). REQUIRES: max_qps > 0.
CostRow project_cost(const Volume& volume, double max_qps_per_replica, const Price& price);

}  // namespace siskin::selector
