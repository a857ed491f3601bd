// Quantity: a number that says where it comes from. Nothing in a result is a bare number that could be taken for a measurement.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace siskin::selector {

enum class Source { measured, bound, estimated, declared, not_measured };

struct Interval {
  double low = 0, high = 0;
};

struct Quantity {
  std::optional<double> value;  // absent exactly when the source is not_measured
  Source source = Source::not_measured;
  std::optional<Interval> ci;
};

inline Quantity measured(double value) { return {value, Source::measured, {}}; }
inline Quantity bound(double value) { return {value, Source::bound, {}}; }
inline Quantity estimated(double value) { return {value, Source::estimated, {}}; }
inline Quantity declared(double value) { return {value, Source::declared, {}}; }

std::string_view source_name(Source source);       // "not-measured"
nlohmann::json to_json(const Quantity& quantity);  // {"value": 1.5, "source": "measured", "ci": [1.4, 1.6]}

}  // namespace siskin::selector
