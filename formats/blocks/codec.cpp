// Rows by type: dispatches once per row to the block families.
#include "formats/blocks/codec.h"

#include <cstring>

#include "formats/blocks/half.h"
#include "formats/blocks/visit.h"
#include "formats/blocks/w8a8.h"
#include "formats/check.h"

namespace siskin {
namespace {

// Rows in a file need not be aligned, so every element goes through memcpy.
template <class Element, class Decode>
void decode_elements(const void* row, float* out, size_t n, Decode decode) {
  const auto* bytes = static_cast<const std::byte*>(row);
  for (size_t k = 0; k < n; ++k) {
    Element element;
    std::memcpy(&element, bytes + k * sizeof(Element), sizeof(Element));
    out[k] = decode(element);
  }
}

template <class Element, class Encode>
void encode_elements(const float* values, void* row, size_t n, Encode encode) {
  auto* bytes = static_cast<std::byte*>(row);
  for (size_t k = 0; k < n; ++k) {
    const Element element = encode(values[k]);
    std::memcpy(bytes + k * sizeof(Element), &element, sizeof(Element));
  }
}

template <class Block>
void decode_blocks(const void* row, float* out, size_t n) {
  const auto* bytes = static_cast<const std::byte*>(row);
  for (size_t b = 0; b < n / Block::kWeights; ++b) {
    Block block;
    std::memcpy(&block, bytes + b * sizeof(Block), sizeof(Block));
    decode_block(block, out + b * Block::kWeights);
  }
}

template <class Block>
void encode_blocks(const float* values, void* row, size_t n) {
  auto* bytes = static_cast<std::byte*>(row);
  for (size_t b = 0; b < n / Block::kWeights; ++b) {
    Block block;
    encode_block(values + b * Block::kWeights, &block);
    std::memcpy(bytes + b * sizeof(Block), &block, sizeof(Block));
  }
}

}  // namespace

void decode_row(DType type, const void* row, float* out, size_t n) {
  switch (type) {
    case DType::F32:
      std::memcpy(out, row, n * sizeof(float));
      return;
    case DType::F16:
      decode_elements<uint16_t>(row, out, n, f32_from_f16);
      return;
    case DType::BF16:
      decode_elements<uint16_t>(row, out, n, f32_from_bf16);
      return;
    case DType::W8A8:
      return decode_w8a8_row(static_cast<const std::byte*>(row), out, n);
    default:
      break;
  }
  const bool known = visit_block(type, [&]<class Block>(std::type_identity<Block>) { decode_blocks<Block>(row, out, n); });
  if (!known) broken_invariant(__FILE__, __LINE__, "decode_row: a type that blocks/ knows");
}

void encode_row(DType type, const float* values, void* row, size_t n) {
  switch (type) {
    case DType::F32:
      std::memcpy(row, values, n * sizeof(float));
      return;
    case DType::F16:
      encode_elements<uint16_t>(values, row, n, f16_from_f32);
      return;
    case DType::BF16:
      encode_elements<uint16_t>(values, row, n, bf16_from_f32);
      return;
    case DType::W8A8:
      return encode_w8a8_row(values, static_cast<std::byte*>(row), n);
    default:
      break;
  }
  const bool known = visit_block(type, [&]<class Block>(std::type_identity<Block>) { encode_blocks<Block>(values, row, n); });
  if (!known) broken_invariant(__FILE__, __LINE__, "encode_row: a type that blocks/ knows");
}

}  // namespace siskin
