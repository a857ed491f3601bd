// Means, medians and a straight line through points.
#pragma once

#include <vector>

namespace siskin::bench {

double mean(const std::vector<double>& values);
double sample_stddev(const std::vector<double>& values);  // 0 for one value
double geometric_mean(const std::vector<double>& values);
double median(std::vector<double> values);  // REQUIRES: not empty

// Least squares y = a + b x. REQUIRES: at least two different x.
struct Line {
  double a = 0, b = 0;
};
Line fit_line(const std::vector<double>& x, const std::vector<double>& y);

}  // namespace siskin::bench
