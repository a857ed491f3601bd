// ProtoReader: the wire format of protobuf. Source: protobuf.dev/programming-guides/encoding.
#include "formats/tokenizer/protobuf.h"

#include <bit>
#include <string>

#include "formats/try.h"

namespace siskin {
namespace {

Error corrupt(const std::string& what) { return {ErrorCode::corrupt_file, "tokenizer.model: " + what}; }

Error wrong_wire(const ProtoField& field, const char* expected) {
  return corrupt("field " + std::to_string(field.number) + " has wire type " + std::to_string(field.wire) + ", expected " +
                 expected);
}

}  // namespace

Result<int32_t> ProtoField::int32() const {
  if (wire != 0) return wrong_wire(*this, "a varint");
  // Negative int32 values are written as 64-bit ones; the upper half carries nothing.
  return static_cast<int32_t>(static_cast<uint32_t>(value));
}

Result<float> ProtoField::float32() const {
  if (wire != 5) return wrong_wire(*this, "32 bits");
  return std::bit_cast<float>(static_cast<uint32_t>(value));
}

Result<std::string_view> ProtoField::message() const {
  if (wire != 2) return wrong_wire(*this, "bytes");
  return bytes;
}

Result<uint64_t> ProtoReader::varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return corrupt("cut short inside a number");
    const auto byte = static_cast<unsigned char>(rest_[0]);
    rest_.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7FU) << shift;
    if ((byte & 0x80U) == 0) return value;
  }
  return corrupt("a number of more than ten bytes");
}

Result<uint64_t> ProtoReader::fixed(size_t bytes) {
  if (rest_.size() < bytes) return corrupt("cut short inside a number");
  uint64_t value = 0;
  for (size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<unsigned char>(rest_[i]);
  rest_.remove_prefix(bytes);
  return value;
}

Result<std::optional<ProtoField>> ProtoReader::next() {
  if (rest_.empty()) return std::optional<ProtoField>();
  SISKIN_TRY(const uint64_t tag, varint());
  if (tag > UINT32_MAX || tag >> 3 == 0) return corrupt("a field of number " + std::to_string(tag >> 3));
  ProtoField field;
  field.number = static_cast<uint32_t>(tag >> 3);
  field.wire = static_cast<uint32_t>(tag & 7);
  switch (field.wire) {
    case 0: {
      SISKIN_TRY(field.value, varint());
      break;
    }
    case 1: {
      SISKIN_TRY(field.value, fixed(8));
      break;
    }
    case 2: {
      SISKIN_TRY(const uint64_t bytes, varint());
      if (bytes > rest_.size()) {
        return corrupt("field " + std::to_string(field.number) + " claims " + std::to_string(bytes) + " bytes of " +
                       std::to_string(rest_.size()));
      }
      field.bytes = rest_.substr(0, static_cast<size_t>(bytes));
      rest_.remove_prefix(static_cast<size_t>(bytes));
      break;
    }
    case 5: {
      SISKIN_TRY(field.value, fixed(4));
      break;
    }
    default:
      return wrong_wire(field, "0, 1, 2 or 5");
  }
  return std::optional<ProtoField>(field);
}

}  // namespace siskin
