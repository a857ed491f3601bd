// Names of the sources and the JSON form of a quantity.
#include "selector/quantity.h"

namespace siskin::selector {

std::string_view source_name(Source source) {
  switch (source) {
    case Source::measured:
      return "measured";
    case Source::bound:
      return "bound";
    case Source::estimated:
      return "estimated";
    case Source::declared:
      return "declared";
    case Source::not_measured:
      break;
  }
  return "not-measured";
}

nlohmann::json to_json(const Quantity& quantity) {
  nlohmann::json out;
  out["value"] = quantity.value ? nlohmann::json(*quantity.value) : nlohmann::json(nullptr);
  out["source"] = source_name(quantity.value ? quantity.source : Source::not_measured);
  if (quantity.ci) out["ci"] = {quantity.ci->low, quantity.ci->high};
  return out;
}

}  // namespace siskin::selector
