// ProtoReader: walks the fields of one protobuf message in memory. Bounded, without a schema, without recursion.
#pragma once

#include <siskin/result.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace siskin {

struct ProtoField {
  uint32_t number = 0;
  uint32_t wire = 0;       // 0 varint, 1 fixed64, 2 bytes, 5 fixed32
  uint64_t value = 0;      // of varint and fixed fields
  std::string_view bytes;  // of wire type 2

  // The value if the field has the wire type that the schema asks for. Errors: corrupt_file.
  Result<int32_t> int32() const;  // also enums and, as 0 or not, bools
  Result<float> float32() const;
  Result<std::string_view> message() const;  // also strings and bytes
};

class ProtoReader {
 public:
  explicit ProtoReader(std::string_view message) : rest_(message) {}
  // The next field, or nothing at the end. Errors: corrupt_file (cut short, an overlong varint, a group).
  Result<std::optional<ProtoField>> next();

 private:
  Result<uint64_t> varint();
  Result<uint64_t> fixed(size_t bytes);

  std::string_view rest_;
};

}  // namespace siskin
