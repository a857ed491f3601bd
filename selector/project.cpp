// Replicas and dollars.
#include "selector/project.h"

#include <algorithm>
#include <cmath>

namespace siskin::selector {

CostRow project_cost(const Volume& volume, double max_qps_per_replica, const Price& price) {
  CostRow row;
  row.qps = volume.qps;
  const double carried = price.headroom * max_qps_per_replica;
  // A volume that is an exact multiple of what a replica carries must not need one more for a rounding error.
  const double needed = std::ceil(volume.qps / carried * (1 - 1e-12));
  row.replicas = std::max(price.min_replicas, static_cast<size_t>(needed));
  const double n = static_cast<double>(row.replicas);
  row.load_qps_per_replica = volume.qps / n;
  row.idle_share = std::max(0.0, 1.0 - volume.qps / (n * max_qps_per_replica));
  if (price.usd_per_hour) {
    row.usd_per_month = n * *price.usd_per_hour * kHoursPerMonth;
    row.usd_per_request = n * *price.usd_per_hour / (3600.0 * volume.qps);
  }
  return row;
}

}  // namespace siskin::selector
