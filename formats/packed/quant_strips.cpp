// Strips of the types of blocks. A type is its file block, what opens a packed block, the bits of a code and the level that a
// code means; all else is one text: the header, then every group's planes (planes.h), word after word of 16 rows.
#include "formats/packed/quant_strips.h"

#include <cstring>
#include <type_traits>

#include "formats/check.h"
#include "formats/packed/file_codes.h"
#include "formats/packed/headers.h"
#include "formats/packed/planes.h"

namespace siskin {
namespace {

template <class FileBlock, class BlockHeader, size_t kCodeBits, int kLevelOffset>
struct QuantType {
  using Block = FileBlock;
  using Header = BlockHeader;
  static constexpr size_t kBits = kCodeBits;
  static constexpr size_t kGroups = Block::kWeights / kQuantBlock;
  static constexpr size_t kRowBytes = kGroups * kPlaneBytes<kBits>;  // a row's planes
  static constexpr size_t kBytes = Header::kBytes + kStripRows * kRowBytes;
  static_assert(kBytes == kStripRows * sizeof(Block), "packing adds no byte");
  static int32_t level(uint8_t code) { return code - kLevelOffset; }
};

template <class FileBlock>
struct IQ4Type : QuantType<FileBlock, std::conditional_t<FileBlock::kWeights == 32, ScaleHeader, IQ4XSHeader>, 4, 0> {
  static int32_t level(uint8_t code) { return static_cast<int32_t>(iq4_level(code)); }
};

struct MXFP4Type : QuantType<BlockMXFP4, ExponentHeader, 4, 0> {
  static int32_t level(uint8_t code) { return static_cast<int32_t>(mxfp4_doubled(code)); }
};

// Calls visitor(std::type_identity<QuantType>()).
template <class Visitor>
void visit_type(DType type, Visitor&& visitor) {
  switch (type) {
    case DType::Q8_0:
      return visitor(std::type_identity<QuantType<BlockQ8_0, ScaleHeader, 8, 128>>());
    case DType::Q4_0:
      return visitor(std::type_identity<QuantType<BlockQ4_0, ScaleHeader, 4, 8>>());
    case DType::Q4_1:
      return visitor(std::type_identity<QuantType<BlockQ4_1, ScaleMinimumHeader, 4, 0>>());
    case DType::Q5_0:
      return visitor(std::type_identity<QuantType<BlockQ5_0, ScaleHeader, 5, 16>>());
    case DType::Q5_1:
      return visitor(std::type_identity<QuantType<BlockQ5_1, ScaleMinimumHeader, 5, 0>>());
    case DType::Q2_K:
      return visitor(std::type_identity<QuantType<BlockQ2_K, Q2Header, 2, 0>>());
    case DType::Q3_K:
      return visitor(std::type_identity<QuantType<BlockQ3_K, Q3Header, 3, 4>>());
    case DType::Q4_K:
      return visitor(std::type_identity<QuantType<BlockQ4_K, AffineHeader, 4, 0>>());
    case DType::Q5_K:
      return visitor(std::type_identity<QuantType<BlockQ5_K, AffineHeader, 5, 0>>());
    case DType::Q6_K:
      return visitor(std::type_identity<QuantType<BlockQ6_K, Q6Header, 6, 32>>());
    case DType::IQ4_NL:
      return visitor(std::type_identity<IQ4Type<BlockIQ4_NL>>());
    case DType::IQ4_XS:
      return visitor(std::type_identity<IQ4Type<BlockIQ4_XS>>());
    case DType::MXFP4:
      return visitor(std::type_identity<MXFP4Type>());
    default:
      broken_invariant(__FILE__, __LINE__, "a type of blocks");
  }
}

// Word w of row r lies at (w * 16 + r) * 4.
template <class Type>
void pack_strip_of(const std::byte* rows, size_t n_rows, size_t cols, std::byte* strip) {
  using Block = typename Type::Block;
  const size_t n_blocks = cols / Block::kWeights;
  for (size_t b = 0; b < n_blocks; ++b, strip += Type::kBytes) {
    for (size_t r = 0; r < n_rows; ++r) {
      Block block;
      std::memcpy(&block, rows + (r * n_blocks + b) * sizeof(Block), sizeof(Block));
      Type::Header::put(block, r, strip);
      uint8_t codes[Block::kWeights], planes[Type::kRowBytes];
      block_to_codes(block, codes);
      for (size_t g = 0; g < Type::kGroups; ++g) {
        write_planes<Type::kBits>(codes + g * kQuantBlock, planes + g * kPlaneBytes<Type::kBits>);
      }
      std::byte* words = strip + Type::Header::kBytes + r * 4;
      for (size_t w = 0; w < Type::kRowBytes / 4; ++w) std::memcpy(words + w * kStripRows * 4, planes + w * 4, 4);
    }
  }
}

template <class Type>
void read_codes(const std::byte* packed, size_t row, uint8_t* codes) {
  uint8_t planes[Type::kRowBytes];
  const std::byte* words = packed + Type::Header::kBytes + row * 4;
  for (size_t w = 0; w < Type::kRowBytes / 4; ++w) std::memcpy(planes + w * 4, words + w * kStripRows * 4, 4);
  for (size_t g = 0; g < Type::kGroups; ++g) {
    read_planes<Type::kBits>(planes + g * kPlaneBytes<Type::kBits>, codes + g * kQuantBlock);
  }
}

template <class Type>
constexpr bool has_minima() {
  using Header = typename Type::Header;
  return std::is_same_v<Header, ScaleMinimumHeader> || std::is_same_v<Header, AffineHeader> || std::is_same_v<Header, Q2Header>;
}

void read_w8a8_block(const std::byte* strip, size_t row, size_t index, PackedBlock* out) {
  *out = {.columns = kQuantBlock, .scales = 1, .minima = false, .of_row = true, .level = {}, .scale = {}, .minimum = {}};
  const std::byte* codes = strip + kStripRows * (sizeof(float) + index * kQuantBlock) + row * 4;
  for (size_t k = 0; k < kQuantBlock; ++k) {
    out->level[k] = std::to_integer<int32_t>(codes[k / 4 * kStripRows * 4 + k % 4]) - 128;
  }
  for (size_t half = 0; half < 2; ++half) std::memcpy(&out->scale[half], strip + row * sizeof(float), sizeof(float));
}

}  // namespace

size_t quant_strip_bytes(DType type, size_t cols) {
  size_t bytes = 0;
  visit_type(type, [&]<class Type>(std::type_identity<Type>) { bytes = cols / Type::Block::kWeights * Type::kBytes; });
  return bytes;
}

void pack_quant_strip(DType type, const std::byte* rows, size_t n_rows, size_t cols, std::byte* strip) {
  visit_type(type, [&]<class Type>(std::type_identity<Type>) { pack_strip_of<Type>(rows, n_rows, cols, strip); });
}

void unpack_quant_row(DType type, const std::byte* strip, size_t row, size_t cols, std::byte* out) {
  visit_type(type, [&]<class Type>(std::type_identity<Type>) {
    using Block = typename Type::Block;
    for (size_t b = 0; b < cols / Block::kWeights; ++b) {
      const std::byte* packed = strip + b * Type::kBytes;
      Block block{};
      uint8_t codes[Block::kWeights];
      read_codes<Type>(packed, row, codes);
      codes_to_block(codes, &block);
      Type::Header::get(packed, row, &block);
      std::memcpy(out + b * sizeof(Block), &block, sizeof(Block));
    }
  });
}

void read_packed_block(DType type, const std::byte* strip, size_t row, size_t index, PackedBlock* out) {
  if (type == DType::W8A8) return read_w8a8_block(strip, row, index, out);
  visit_type(type, [&]<class Type>(std::type_identity<Type>) {
    using Block = typename Type::Block;
    const std::byte* packed = strip + index * Type::kBytes;
    out->columns = Block::kWeights;
    out->scales = Type::Header::kScales;
    out->minima = has_minima<Type>();
    out->of_row = false;
    uint8_t codes[Block::kWeights];
    read_codes<Type>(packed, row, codes);
    for (size_t k = 0; k < Block::kWeights; ++k) out->level[k] = Type::level(codes[k]);
    Block block{};
    Type::Header::get(packed, row, &block);
    Type::Header::factors(block, out->scale, out->minimum);
  });
}

void decode_quant_row(DType type, const std::byte* strip, size_t row, size_t cols, float* out) {
  PackedBlock block;
  for (size_t k = 0, b = 0; k < cols; ++b) {
    read_packed_block(type, strip, row, b, &block);
    for (size_t i = 0; i < block.columns; ++i, ++k) {
      out[k] = static_cast<float>(block.level[i]) * block.scale[i / 16];
      if (block.minima) out[k] -= block.minimum[i / 16];
    }
  }
}

}  // namespace siskin
