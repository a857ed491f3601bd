// Replicas and dollars, worked by hand.
#include "selector/project.h"

#include <catch2/catch.hpp>

using namespace siskin::selector;

TEST_CASE("replicas and the bill", "[project]") {
  const Price price{.usd_per_hour = 0.34, .headroom = 0.75, .min_replicas = 2};
  const CostRow busy = project_cost({10'000, {}}, 100, price);
  CHECK(busy.replicas == 134);  // ceil(10000 / 75)
  CHECK(*busy.usd_per_month == Approx(134 * 0.34 * 730));
  CHECK(*busy.usd_per_request == Approx(134 * 0.34 / 3600 / 10'000));
  CHECK(busy.idle_share == Approx(1 - 10'000 / 13'400.0));

  const CostRow quiet = project_cost({1, {}}, 100, price);
  CHECK(quiet.replicas == 2);
  CHECK(*quiet.usd_per_month == Approx(496.4));
  CHECK(quiet.idle_share == Approx(0.995));

  CHECK(project_cost({150, {}}, 100, price).replicas == 2);  // an exact fit needs no replica more
  CHECK(project_cost({150.001, {}}, 100, price).replicas == 3);
  CHECK_FALSE(project_cost({1, {}}, 100, Price{}).usd_per_month.has_value());
}
