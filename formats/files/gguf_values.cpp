#include "formats/files/gguf_values.h"

#include <limits>
#include <type_traits>

#include "formats/files/gguf_format.h"
#include "formats/try.h"

namespace siskin {
namespace {

// What a number of the file becomes in Metadata.
template <class T>
using Widened =
    std::conditional_t<std::is_floating_point_v<T>, double, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;

template <class T>
Result<MetaValue> read_number(GgufCursor& cursor, const char* what) {
  SISKIN_TRY(const T value, cursor.number<T>(what));
  return MetaValue(Widened<T>(value));
}

Result<bool> read_bool(GgufCursor& cursor, const char* what) {
  const size_t start = cursor.offset();
  SISKIN_TRY(const uint8_t value, cursor.number<uint8_t>(what));
  if (value > 1) return corrupt_at(cursor.file(), start, "a bool is " + std::to_string(value) + ", expected 0 or 1");
  return value == 1;
}

// The caller has checked that `count` elements fit in what is left of the file, so that reserving is bounded.
template <class T>
Result<MetaValue> read_numbers(GgufCursor& cursor, size_t count) {
  using Kept = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;
  std::vector<Kept> values;
  values.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const size_t start = cursor.offset();
    SISKIN_TRY(const T value, cursor.number<T>("an array element"));
    if constexpr (std::is_same_v<T, uint64_t>) {
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return unsupported_at(cursor.file(), start, "array element " + std::to_string(value) + " does not fit in 63 bits");
      }
    }
    values.push_back(static_cast<Kept>(value));
  }
  return MetaValue(std::move(values));
}

Result<MetaValue> read_bools(GgufCursor& cursor, size_t count) {
  std::vector<bool> values;
  values.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    SISKIN_TRY(const bool value, read_bool(cursor, "an array element"));
    values.push_back(value);
  }
  return MetaValue(std::move(values));
}

Result<MetaValue> read_strings(GgufCursor& cursor, size_t count) {
  std::vector<std::string> values;
  values.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    SISKIN_TRY(const std::string_view value, cursor.string("a string of an array"));
    values.emplace_back(value);
  }
  return MetaValue(std::move(values));
}

size_t element_bytes(const GgufCursor& cursor, GgufValue type) {
  switch (type) {
    case GgufValue::u8:
    case GgufValue::i8:
    case GgufValue::boolean:
      return 1;
    case GgufValue::u16:
    case GgufValue::i16:
      return 2;
    case GgufValue::u32:
    case GgufValue::i32:
    case GgufValue::f32:
      return 4;
    case GgufValue::string:
      return cursor.length_bytes();
    case GgufValue::u64:
    case GgufValue::i64:
    case GgufValue::f64:
      return 8;
    case GgufValue::array:
      break;
  }
  return 0;
}

Result<GgufValue> read_type(GgufCursor& cursor) {
  const size_t start = cursor.offset();
  SISKIN_TRY(const uint32_t type, cursor.number<uint32_t>("a value's type"));
  if (type >= kGgufValues) {
    return corrupt_at(cursor.file(), start, "unknown value type " + std::to_string(type) + ", expected 0 to 12");
  }
  return static_cast<GgufValue>(type);
}

Result<MetaValue> read_array(GgufCursor& cursor) {
  const size_t start = cursor.offset();
  SISKIN_TRY(const GgufValue type, read_type(cursor));
  if (type == GgufValue::array) return unsupported_at(cursor.file(), start, "arrays of arrays are not supported");
  const size_t count_at = cursor.offset();
  SISKIN_TRY(const uint64_t count, cursor.length("an array's length"));
  if (count > cursor.left() / element_bytes(cursor, type)) {
    return corrupt_at(cursor.file(), count_at,
                      "array of " + std::to_string(count) + " elements, expected at most the " +
                          std::to_string(cursor.left() / element_bytes(cursor, type)) +
                          " that could fit in what is left of the file");
  }
  const auto n = static_cast<size_t>(count);
  switch (type) {
    case GgufValue::u8:
      return read_numbers<uint8_t>(cursor, n);
    case GgufValue::i8:
      return read_numbers<int8_t>(cursor, n);
    case GgufValue::u16:
      return read_numbers<uint16_t>(cursor, n);
    case GgufValue::i16:
      return read_numbers<int16_t>(cursor, n);
    case GgufValue::u32:
      return read_numbers<uint32_t>(cursor, n);
    case GgufValue::i32:
      return read_numbers<int32_t>(cursor, n);
    case GgufValue::f32:
      return read_numbers<float>(cursor, n);
    case GgufValue::boolean:
      return read_bools(cursor, n);
    case GgufValue::string:
      return read_strings(cursor, n);
    case GgufValue::u64:
      return read_numbers<uint64_t>(cursor, n);
    case GgufValue::i64:
      return read_numbers<int64_t>(cursor, n);
    case GgufValue::f64:
      return read_numbers<double>(cursor, n);
    case GgufValue::array:
      break;
  }
  return corrupt_at(cursor.file(), start, "unknown array type");
}

Result<MetaValue> read_value(GgufCursor& cursor) {
  const size_t start = cursor.offset();
  SISKIN_TRY(const GgufValue type, read_type(cursor));
  switch (type) {
    case GgufValue::u8:
      return read_number<uint8_t>(cursor, "a u8 value");
    case GgufValue::i8:
      return read_number<int8_t>(cursor, "an i8 value");
    case GgufValue::u16:
      return read_number<uint16_t>(cursor, "a u16 value");
    case GgufValue::i16:
      return read_number<int16_t>(cursor, "an i16 value");
    case GgufValue::u32:
      return read_number<uint32_t>(cursor, "a u32 value");
    case GgufValue::i32:
      return read_number<int32_t>(cursor, "an i32 value");
    case GgufValue::f32:
      return read_number<float>(cursor, "an f32 value");
    case GgufValue::u64:
      return read_number<uint64_t>(cursor, "a u64 value");
    case GgufValue::i64:
      return read_number<int64_t>(cursor, "an i64 value");
    case GgufValue::f64:
      return read_number<double>(cursor, "an f64 value");
    case GgufValue::array:
      return read_array(cursor);
    case GgufValue::boolean: {
      SISKIN_TRY(const bool value, read_bool(cursor, "a bool value"));
      return MetaValue(value);
    }
    case GgufValue::string: {
      SISKIN_TRY(const std::string_view value, cursor.string("a string value"));
      return MetaValue(std::string(value));
    }
  }
  return corrupt_at(cursor.file(), start, "unknown value type");
}

}  // namespace

Result<Metadata> read_gguf_metadata(GgufCursor& cursor, uint64_t count) {
  // The shortest pair: a length, one byte of key, a type, one byte of value.
  const size_t shortest = cursor.length_bytes() + 1 + 4 + 1;
  if (count > cursor.left() / shortest) {
    return corrupt_at(cursor.file(), cursor.offset(),
                      std::to_string(count) + " metadata pairs, expected at most the " +
                          std::to_string(cursor.left() / shortest) + " that could fit in what is left of the file");
  }
  Metadata metadata;
  for (uint64_t i = 0; i < count; ++i) {
    const size_t start = cursor.offset();
    SISKIN_TRY(const std::string_view key, cursor.string("a metadata key"));
    if (!is_plain_name(key) || key.size() > kGgufMaxKeyBytes) {
      return corrupt_at(
          cursor.file(), start,
          "metadata key " + std::to_string(i) + " is " + in_quotes(key) + ", expected 1 to 65535 printable ASCII bytes");
    }
    if (metadata.has(key)) return corrupt_at(cursor.file(), start, "metadata key " + in_quotes(key) + " appears twice");
    SISKIN_TRY(MetaValue value, read_value(cursor));
    metadata.set(std::string(key), std::move(value));
  }
  return metadata;
}

}  // namespace siskin
