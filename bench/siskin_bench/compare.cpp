#include "bench/siskin_bench/compare.h"

#include <fmt/format.h>

#include <algorithm>

#include "bench/siskin_bench/statistics.h"

namespace siskin::bench {
namespace {

double median_read_speed(std::span<const Row> group) {
  std::vector<double> speeds;
  for (const Row& row : group) {
    for (const Sample& sample : row.samples) speeds.push_back(sample.read_gb_s);
  }
  return median(std::move(speeds));
}

double bytes_per_step(const Row& row) { return row.samples.front().bytes() / static_cast<double>(row.samples.front().steps); }

size_t top_k_of(const Row& row) { return row.test.top_k > 0 ? row.test.top_k : row.model.top_k; }

template <class Key>
bool all_equal(std::span<const Row> group, Key key) {
  return std::all_of(group.begin(), group.end(), [&](const Row& row) { return key(row) == key(group.front()); });
}

}  // namespace

std::vector<double> step_times_at_equal_bandwidth(const Row& row, double read_gb_s) {
  std::vector<double> times;
  for (const Sample& sample : row.samples) times.push_back(sample.step_seconds() * sample.read_gb_s / read_gb_s);
  return times;
}

std::string small_batches_table(std::span<const Row> group) {
  if (all_equal(group, [](const Row& row) { return row.test.parallel; })) return {};
  const double speed = median_read_speed(group);
  std::string text = fmt::format(
      "\n| {}: requests in a step | t/s in all | step ms | MB in a step | step / (bytes / bandwidth) | step / one request's |\n"
      "| --- | ---: | ---: | ---: | ---: | ---: |\n",
      group.front().model.name);
  for (const Row& row : group) {
    const double step = median(step_times_at_equal_bandwidth(row, speed));
    const auto one = std::find_if(group.begin(), group.end(), [&](const Row& other) {
      return other.test.parallel == 1 && other.test.top_k == row.test.top_k;
    });
    const std::string ratio =
        one == group.end() ? "-" : fmt::format("{:.3f}", step / median(step_times_at_equal_bandwidth(*one, speed)));
    text += fmt::format("| {} | {:.2f} | {:.3f} | {:.2f} | {:.3f} | {} |\n", row.test.name(),
                        static_cast<double>(row.test.parallel) / step, step * 1e3, bytes_per_step(row) / 1e6,
                        step / (bytes_per_step(row) / (speed * 1e9)), ratio);
  }
  return text;
}

std::string top_k_table(std::span<const Row> group) {
  std::string text;
  for (const Row& base : group) {  // one fit for each count of parallel requests
    if (&base !=
        &*std::find_if(group.begin(), group.end(), [&](const Row& row) { return row.test.parallel == base.test.parallel; })) {
      continue;
    }
    const double speed = median_read_speed(group);
    std::vector<double> k, seconds, bytes;
    for (const Row& row : group) {
      if (row.test.parallel != base.test.parallel) continue;
      k.push_back(static_cast<double>(top_k_of(row)));
      seconds.push_back(median(step_times_at_equal_bandwidth(row, speed)));
      bytes.push_back(bytes_per_step(row));
    }
    if (*std::max_element(k.begin(), k.end()) == *std::min_element(k.begin(), k.end())) continue;
    const Line time = fit_line(k, seconds), read = fit_line(k, bytes);
    const double most = *std::max_element(k.begin(), k.end()), step = time.a + time.b * most;
    const double fixed_reading = read.a / (speed * 1e9), excess = time.a - fixed_reading;
    text += fmt::format(
        "\nt = a + b k over {} k from {:.0f} to {:.0f}: a = {:.3f} ms, b = {:.3f} ms ({:.1f} GB/s through the experts)\n",
        k.size(), *std::min_element(k.begin(), k.end()), most, time.a * 1e3, time.b * 1e3, read.b / time.b / 1e9);
    text += fmt::format(
        "a is {:.1f}% of the step at k = {:.0f}: {:.1f}% is reading what no expert holds ({:.2f} MB at {:.1f} GB/s), {:.1f}% "
        "is overhead\n",
        100 * time.a / step, most, 100 * fixed_reading / step, read.a / 1e6, speed, 100 * excess / step);
  }
  return text;
}

}  // namespace siskin::bench
