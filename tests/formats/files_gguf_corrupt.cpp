// Malformed GGUF files, one kind each: every one must be refused with the right code, the file's name and a byte offset.
#include <catch2/catch.hpp>
#include <functional>

#include "tests/formats/files_support.h"

namespace siskin {
namespace {

using testing::GgufBytes;

struct Kind {
  const char* name;
  ErrorCode code;
  const char* says;  // part of the message
  GgufBytes bytes;
};

constexpr uint64_t kHuge = UINT64_MAX;
constexpr auto kCorrupt = ErrorCode::corrupt_file;
constexpr auto kUnsupported = ErrorCode::unsupported;

std::vector<Kind> header_kinds() {
  return {
      {"nothing", kCorrupt, "magic", GgufBytes()},
      {"half a magic number", kCorrupt, "magic", GgufBytes().number(uint16_t{0x4747})},
      {"another magic number", kCorrupt, "expected 'GGUF'", GgufBytes().number(uint32_t{0x67676d6c}).zeros(40)},
      {"lower-case magic number", kCorrupt, "'gguf'", GgufBytes().number(uint32_t{0x66756767}).zeros(40)},
      {"byte-swapped magic number", kUnsupported, "big-endian", GgufBytes().number(uint32_t{0x47475546}).zeros(40)},
      {"no version", kCorrupt, "version", GgufBytes().number(uint32_t{0x46554747})},
      {"version 0", kUnsupported, "version 0", GgufBytes(0).header(0, 0)},
      {"version 4", kUnsupported, "version 4", GgufBytes(4).header(0, 0)},
      {"version 3 from a big-endian machine", kUnsupported, "big-endian", GgufBytes(0x03000000).header(0, 0)},
      {"version far off", kUnsupported, "version", GgufBytes(0x12345678).header(0, 0)},
      {"no tensor count", kCorrupt, "tensor count", GgufBytes().number(uint32_t{0x46554747}).number(uint32_t{3})},
      {"no metadata count", kCorrupt, "metadata count",
       GgufBytes().number(uint32_t{0x46554747}).number(uint32_t{3}).number(uint64_t{0})},
      {"2^64-1 tensors", kCorrupt, "could fit", GgufBytes().header(kHuge, 0)},
      {"2^64-1 pairs", kCorrupt, "could fit", GgufBytes().header(0, kHuge)},
      {"2^32-1 pairs in version 1", kCorrupt, "could fit", GgufBytes(1).header(0, 0xffffffff)},
      {"more tensors than bytes", kCorrupt, "could fit", GgufBytes().header(100, 0).zeros(100)},
      {"more pairs than bytes", kCorrupt, "could fit", GgufBytes().header(0, 100).zeros(100)},
      {"one pair announced, none there", kCorrupt, "could fit", GgufBytes().header(0, 1)},
      {"one tensor announced, none there", kCorrupt, "could fit", GgufBytes().header(1, 0)},
  };
}

std::vector<Kind> pair_kinds() {
  const auto one = [] { return GgufBytes().header(0, 1); };
  return {
      {"key length 2^64-1", kCorrupt, "long", one().number(kHuge).zeros(40)},
      {"key length 2^63", kCorrupt, "long", one().number(uint64_t{1} << 63).zeros(40)},
      {"key one byte longer than the file", kCorrupt, "long", one().number(uint64_t{41}).zeros(40)},
      {"empty key", kCorrupt, "printable", one().u32_pair("", 1)},
      {"key with a NUL", kCorrupt, "\\x00", one().u32_pair(std::string_view("a\0b", 3), 1)},
      {"key with a line break", kCorrupt, "\\x0a", one().u32_pair("a\nb", 1)},
      {"key with an escape", kCorrupt, "\\x1b", one().u32_pair("a\x1b[31m", 1)},
      {"key that is not ASCII", kCorrupt, "printable", one().u32_pair("caf\xc3\xa9", 1)},
      {"key of 65536 bytes", kCorrupt, "65535", one().u32_pair(std::string(65536, 'k'), 1)},
      {"key twice", kCorrupt, "twice", GgufBytes().header(0, 2).u32_pair("k", 1).u32_pair("k", 1)},
      {"key twice with different types", kCorrupt, "twice", GgufBytes().header(0, 2).u32_pair("k", 1).text_pair("k", "x")},
      {"no value type", kCorrupt, "type", one().string("long.enough.key")},
      {"value type 13", kCorrupt, "type 13", one().key("k", 13).zeros(16)},
      {"value type 2^32-1", kCorrupt, "type 4294967295", one().key("k", 0xffffffff).zeros(16)},
      {"u64 cut short", kCorrupt, "u64", one().key("long.enough", 10).number(uint32_t{1})},
      {"u32 cut short", kCorrupt, "u32", one().key("long.enough", 4).number(uint16_t{1})},
      {"f32 missing", kCorrupt, "f32", one().key("long.enough", 6)},
      {"f64 cut short", kCorrupt, "f64", one().key("long.enough", 12).zeros(7)},
      {"bool 2", kCorrupt, "bool", one().key("k", 7).number(uint8_t{2})},
      {"bool 255", kCorrupt, "255", one().key("k", 7).number(uint8_t{255})},
      {"string length 2^64-1", kCorrupt, "long", one().key("k", 8).number(kHuge).zeros(10)},
      {"string length 2^64-9, which wraps the offset", kCorrupt, "long", one().key("k", 8).number(kHuge - 8).zeros(10)},
      {"string one byte too long", kCorrupt, "long", one().key("k", 8).number(uint64_t{11}).zeros(10)},
      {"string without length", kCorrupt, "string", one().key("long.enough", 8).zeros(3)},
      {"array without element type", kCorrupt, "type", one().key("long.enough", 9)},
      {"array without count", kCorrupt, "array", one().key("k", 9).number(uint32_t{4})},
      {"array of arrays", kUnsupported, "arrays of arrays", one().array("k", 9, 1).number(uint32_t{4}).number(uint64_t{0})},
      {"array of unknown type", kCorrupt, "type 99", one().array("k", 99, 1).zeros(16)},
      {"array of 2^64-1 bytes", kCorrupt, "array", one().array("k", 0, kHuge).zeros(16)},
      {"array of 2^61 u64, whose bytes wrap", kCorrupt, "array", one().array("k", 10, uint64_t{1} << 61).zeros(16)},
      {"array of 2^62 f32, whose bytes wrap", kCorrupt, "array", one().array("k", 6, uint64_t{1} << 62).zeros(16)},
      {"array of 2^60 strings", kCorrupt, "array", one().array("k", 8, uint64_t{1} << 60).zeros(16)},
      {"array of one string too many", kCorrupt, "array", one().array("k", 8, 3).string("").string("")},
      {"array with a string too long", kCorrupt, "long", one().array("k", 8, 2).string("ok").number(uint64_t{1000}).zeros(2)},
      {"array one element short", kCorrupt, "array", one().array("k", 4, 3).zeros(8)},
      {"array with a bool 7", kCorrupt, "bool", one().array("k", 7, 2).number(uint8_t{1}).number(uint8_t{7})},
      {"array element above 2^63", kUnsupported, "63 bits", one().array("k", 10, 1).number(kHuge)},
  };
}

GgufBytes aligned_to(uint32_t alignment) {
  return GgufBytes().header(1, 1).u32_pair("general.alignment", alignment).tensor("a", {1}, 0, 0).pad().zeros(64);
}

std::vector<Kind> tensor_kinds() {
  const auto one = [] { return GgufBytes().header(1, 0); };
  const auto shaped = [&one](std::vector<uint64_t> dims, uint32_t type) {
    return one().tensor("a", std::move(dims), type, 0).pad().zeros(256);
  };
  return {
      {"alignment 0", kCorrupt, "alignment is 0", aligned_to(0)},
      {"alignment 1", kCorrupt, "alignment is 1", aligned_to(1)},
      {"alignment 48", kCorrupt, "alignment is 48", aligned_to(48)},
      {"alignment 2^31", kCorrupt, "alignment is 2147483648", aligned_to(uint32_t{1} << 31)},
      {"alignment 2^32-1", kCorrupt, "alignment", aligned_to(0xffffffff)},
      {"alignment as a string", kCorrupt, "alignment",
       GgufBytes().header(1, 1).text_pair("general.alignment", "32").tensor("a", {1}, 0, 0).pad().zeros(64)},
      {"alignment as a signed number", kCorrupt, "alignment",
       GgufBytes().header(1, 1).key("general.alignment", 5).number(int32_t{32}).tensor("a", {1}, 0, 0).pad().zeros(64)},
      {"tensor name length 2^64-1", kCorrupt, "long", one().number(kHuge).zeros(64)},
      {"empty tensor name", kCorrupt, "name", one().tensor("", {1}, 0, 0).pad().zeros(64)},
      {"tensor name with a NUL", kCorrupt, "\\x00", one().tensor(std::string_view("a\0", 2), {1}, 0, 0).pad().zeros(64)},
      {"tensor name with a line break", kCorrupt, "\\x0a", one().tensor("a\nb", {1}, 0, 0).pad().zeros(64)},
      {"tensor name of 65 bytes", kCorrupt, "1 to 64", one().tensor(std::string(65, 'n'), {1}, 0, 0).pad().zeros(64)},
      {"tensor twice", kCorrupt, "twice",
       GgufBytes().header(2, 0).tensor("a", {1}, 0, 0).tensor("a", {1}, 0, 32).pad().zeros(64)},
      {"no dimensions", kCorrupt, "0 dimensions", shaped({}, 0)},
      {"five dimensions", kCorrupt, "5 dimensions", shaped({1, 1, 1, 1, 1}, 0)},
      {"2^32-1 dimensions", kCorrupt, "dimensions", one().string("a").number(0xffffffffu).zeros(64)},
      {"dimension zero", kCorrupt, "is zero", shaped({4, 0}, 0)},
      {"first dimension zero", kCorrupt, "is zero", shaped({0, 4}, 0)},
      {"dimensions that wrap 64 bits", kCorrupt, "64 bits", shaped({uint64_t{1} << 32, uint64_t{1} << 32}, 0)},
      {"dimensions that wrap to a small product", kCorrupt, "64 bits", shaped({(uint64_t{1} << 32) + 1, uint64_t{1} << 32}, 0)},
      {"bytes that wrap 64 bits", kCorrupt, "more bytes than a file can hold", shaped({uint64_t{1} << 62}, 0)},
      {"bytes that wrap 64 bits over rows", kCorrupt, "more bytes than a file can hold",
       shaped({uint64_t{1} << 31, uint64_t{1} << 31}, 0)},
      {"q8_0 bytes that wrap 64 bits", kCorrupt, "more bytes than a file can hold", shaped({kHuge - 31}, 8)},
      {"dimension 2^63", kCorrupt, "more bytes than a file can hold", shaped({uint64_t{1} << 63}, 0)},
      {"dimension 2^64-1", kCorrupt, "more bytes than a file can hold", shaped({kHuge}, 0)},
      {"type 4, which is withdrawn", kUnsupported, "number 4", shaped({32}, 4)},
      {"type 5, which is withdrawn", kUnsupported, "number 5", shaped({32}, 5)},
      {"type 31, which is withdrawn", kUnsupported, "number 31", shaped({32}, 31)},
      {"type 1000", kUnsupported, "number 1000", shaped({32}, 1000)},
      {"type 2^32-1", kUnsupported, "number 4294967295", shaped({32}, 0xffffffff)},
      {"q8_0 row of 31", kCorrupt, "multiple of 32", shaped({31, 2}, 8)},
      {"q4_0 row of 33", kCorrupt, "multiple of 32", shaped({33}, 2)},
      {"q4_k row of 32", kCorrupt, "multiple of 256", shaped({32, 8}, 12)},
      {"description cut in the dimensions", kCorrupt, "could fit", one().string("a").number(uint32_t{4}).zeros(16)},
      {"description cut in the last dimension", kCorrupt, "dimension",
       one().string("a").number(uint32_t{4}).number(uint64_t{1}).number(uint64_t{1}).number(uint64_t{1}).zeros(3)},
      {"description cut in the offset", kCorrupt, "offset",
       one().string("a").number(uint32_t{2}).number(uint64_t{1}).number(uint64_t{1}).number(uint32_t{0}).zeros(7)},
      {"no data at all", kCorrupt, "tensor data", one().tensor("a", {4}, 0, 0)},
      {"data cut short", kCorrupt, "data bytes", one().tensor("a", {4}, 0, 0).pad().zeros(15)},
      {"offset past the file", kCorrupt, "data bytes", one().tensor("a", {4}, 0, 1024).pad().zeros(64)},
      {"offset 2^64-32, which wraps", kCorrupt, "data bytes", one().tensor("a", {16}, 0, kHuge - 31).pad().zeros(64)},
      {"offset not aligned", kCorrupt, "multiple of 32", one().tensor("a", {4}, 0, 4).pad().zeros(64)},
      {"offset aligned to less than general.alignment", kCorrupt, "multiple of 64",
       GgufBytes().header(1, 1).u32_pair("general.alignment", 64).tensor("a", {1}, 0, 32).pad(64).zeros(128)},
      {"two tensors at one place", kCorrupt, "overlap",
       GgufBytes().header(2, 0).tensor("a", {4}, 0, 0).tensor("b", {4}, 0, 0).pad().zeros(64)},
      {"a tensor that reaches into the next", kCorrupt, "overlap",
       GgufBytes().header(2, 0).tensor("a", {9}, 0, 0).tensor("b", {4}, 0, 32).pad().zeros(64)},
      {"a tensor inside another, listed first", kCorrupt, "overlap",
       GgufBytes().header(2, 0).tensor("b", {4}, 0, 32).tensor("a", {32}, 0, 0).pad().zeros(128)},
      {"10^18 experts of one byte", kCorrupt, "data bytes", shaped({1, 1, 1000000000000000000}, 24)},
  };
}

void check_all(const std::vector<Kind>& kinds) {
  for (const Kind& kind : kinds) {
    INFO(kind.name);
    const auto contents = parse_gguf(testing::as_bytes(kind.bytes.str()), "bad.gguf");
    REQUIRE_FALSE(contents);
    INFO(contents.error().message);
    CHECK(contents.error().code == kind.code);
    CHECK(contents.error().message.starts_with("bad.gguf: "));
    CHECK(contents.error().message.find(kind.says) != std::string::npos);
    CHECK(contents.error().message.find('\n') == std::string::npos);
  }
}

TEST_CASE("malformed GGUF headers are refused", "[files]") { check_all(header_kinds()); }
TEST_CASE("malformed GGUF metadata is refused", "[files]") { check_all(pair_kinds()); }
TEST_CASE("malformed GGUF tensor descriptions are refused", "[files]") { check_all(tensor_kinds()); }

TEST_CASE("a hundred thousand duplicate-free keys and tensors are read without quadratic work", "[files]") {
  constexpr size_t kMany = 100000;
  GgufBytes bytes;
  bytes.header(kMany, kMany);
  for (size_t i = 0; i < kMany; ++i) bytes.u32_pair("key." + std::to_string(i), 1);
  for (size_t i = 0; i < kMany; ++i) bytes.tensor("tensor." + std::to_string(i), {1}, 0, i * 32);
  bytes.pad().zeros(kMany * 32);
  const auto contents = parse_gguf(testing::as_bytes(bytes.str()), "many.gguf");
  REQUIRE(contents);
  CHECK(contents->tensors.size() == kMany);
  CHECK(contents->metadata.all().size() == kMany);
}

}  // namespace
}  // namespace siskin
