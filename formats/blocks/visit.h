// From a type to its block structure: the one list of the types that come in blocks.
#pragma once

#include <type_traits>

#include "formats/blocks/fp8.h"
#include "formats/blocks/iq4.h"
#include "formats/blocks/mxfp4.h"
#include "formats/blocks/q2_k.h"
#include "formats/blocks/q3_k.h"
#include "formats/blocks/q4_0.h"
#include "formats/blocks/q4_1.h"
#include "formats/blocks/q4_k.h"
#include "formats/blocks/q5_0.h"
#include "formats/blocks/q5_1.h"
#include "formats/blocks/q5_k.h"
#include "formats/blocks/q6_k.h"
#include "formats/blocks/q8_0.h"
#include "formats/dtype.h"

namespace siskin {

// Calls visitor(std::type_identity<BlockX>()) for a type of blocks; false for any other type.
template <class Visitor>
bool visit_block(DType type, Visitor&& visitor) {
  switch (type) {
    case DType::Q4_0:
      return visitor(std::type_identity<BlockQ4_0>()), true;
    case DType::Q4_1:
      return visitor(std::type_identity<BlockQ4_1>()), true;
    case DType::Q5_0:
      return visitor(std::type_identity<BlockQ5_0>()), true;
    case DType::Q5_1:
      return visitor(std::type_identity<BlockQ5_1>()), true;
    case DType::Q8_0:
      return visitor(std::type_identity<BlockQ8_0>()), true;
    case DType::Q2_K:
      return visitor(std::type_identity<BlockQ2_K>()), true;
    case DType::Q3_K:
      return visitor(std::type_identity<BlockQ3_K>()), true;
    case DType::Q4_K:
      return visitor(std::type_identity<BlockQ4_K>()), true;
    case DType::Q5_K:
      return visitor(std::type_identity<BlockQ5_K>()), true;
    case DType::Q6_K:
      return visitor(std::type_identity<BlockQ6_K>()), true;
    case DType::IQ4_NL:
      return visitor(std::type_identity<BlockIQ4_NL>()), true;
    case DType::IQ4_XS:
      return visitor(std::type_identity<BlockIQ4_XS>()), true;
    case DType::MXFP4:
      return visitor(std::type_identity<BlockMXFP4>()), true;
    case DType::FP8:
      return visitor(std::type_identity<BlockF8>()), true;
    default:
      return false;
  }
}

}  // namespace siskin
