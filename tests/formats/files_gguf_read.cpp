// Well-formed GGUF files, built by hand byte by byte, of every version and value type.
#include <catch2/catch.hpp>

#include "tests/formats/files_support.h"

namespace siskin {
namespace {

using testing::GgufBytes;

Result<GgufContents> parse(const GgufBytes& bytes) { return parse_gguf(testing::as_bytes(bytes.str()), "test.gguf"); }

TEST_CASE("GGUF versions 1 to 3 are read alike", "[files]") {
  const uint32_t version = GENERATE(1u, 2u, 3u);
  GgufBytes bytes(version);
  bytes.header(2, 2).text_pair("general.name", "tiny").u32_pair("llama.block_count", 7);
  bytes.tensor("a", {4, 3}, 0, 0).tensor("b", {32, 2, 5}, 8, 64).pad().zeros(64 + 34 * 10);
  const auto contents = parse(bytes);
  REQUIRE(contents);
  CHECK(contents->version == version);
  CHECK(*contents->metadata.string("general.name") == "tiny");
  CHECK(*contents->metadata.u64("llama.block_count") == 7);
  REQUIRE(contents->tensors.size() == 2);
  const TensorView& a = contents->tensors[0];
  CHECK(a.name == "a");
  CHECK(a.type == DType::F32);
  CHECK(a.shape == Shape{3, 4});
  CHECK(a.slice_bytes == 48);
  const TensorView& b = contents->tensors[1];
  CHECK(b.shape == Shape{5, 2, 32});
  REQUIRE(b.slices.size() == 5);
  CHECK(b.slice_bytes == 68);
  CHECK(b.slices[0] - a.slices[0] == 64);
  CHECK(b.slices[4] - b.slices[0] == 4 * 68);
}

TEST_CASE("GGUF values of every type widen as Metadata says", "[files]") {
  GgufBytes bytes;
  bytes.header(0, 12);
  bytes.key("u8", 0).number(uint8_t{200}).key("i8", 1).number(int8_t{-3});
  bytes.key("u16", 2).number(uint16_t{65535}).key("i16", 3).number(int16_t{-300});
  bytes.key("u32", 4).number(uint32_t{4294967295u}).key("i32", 5).number(int32_t{-70000});
  bytes.key("f32", 6).number(0.5f).key("bool", 7).number(uint8_t{1}).key("string", 8).string("x\ny");
  bytes.key("u64", 10).number(uint64_t{1} << 63).key("i64", 11).number(int64_t{-5}).key("f64", 12).number(1e300);
  const auto contents = parse(bytes);
  REQUIRE(contents);
  const Metadata& m = contents->metadata;
  CHECK(*m.find("u8") == MetaValue(uint64_t{200}));
  CHECK(*m.find("i8") == MetaValue(int64_t{-3}));
  CHECK(*m.find("u16") == MetaValue(uint64_t{65535}));
  CHECK(*m.find("i16") == MetaValue(int64_t{-300}));
  CHECK(*m.find("u32") == MetaValue(uint64_t{4294967295u}));
  CHECK(*m.find("i32") == MetaValue(int64_t{-70000}));
  CHECK(*m.find("f32") == MetaValue(0.5));
  CHECK(*m.find("bool") == MetaValue(true));
  CHECK(*m.find("string") == MetaValue(std::string("x\ny")));
  CHECK(*m.find("u64") == MetaValue(uint64_t{1} << 63));
  CHECK(*m.find("i64") == MetaValue(int64_t{-5}));
  CHECK(*m.find("f64") == MetaValue(1e300));
}

TEST_CASE("GGUF arrays of every element type are read", "[files]") {
  GgufBytes bytes;
  bytes.header(0, 13);
  bytes.array("u8", 0, 2).number(uint8_t{1}).number(uint8_t{255});
  bytes.array("i8", 1, 1).number(int8_t{-1});
  bytes.array("u16", 2, 1).number(uint16_t{65535});
  bytes.array("i16", 3, 1).number(int16_t{-2});
  bytes.array("u32", 4, 1).number(uint32_t{4000000000u});
  bytes.array("i32", 5, 1).number(int32_t{-3});
  bytes.array("f32", 6, 2).number(1.5f).number(-2.0f);
  bytes.array("bool", 7, 3).number(uint8_t{1}).number(uint8_t{0}).number(uint8_t{1});
  bytes.array("string", 8, 2).string("").string("two");
  bytes.array("u64", 10, 1).number(uint64_t{1} << 40);
  bytes.array("i64", 11, 1).number(int64_t{-4});
  bytes.array("f64", 12, 1).number(0.1);
  bytes.array("empty", 8, 0);
  const auto contents = parse(bytes);
  REQUIRE(contents);
  const Metadata& m = contents->metadata;
  CHECK(*m.ints("u8") == std::vector<int64_t>{1, 255});
  CHECK(*m.ints("i8") == std::vector<int64_t>{-1});
  CHECK(*m.ints("u16") == std::vector<int64_t>{65535});
  CHECK(*m.ints("i16") == std::vector<int64_t>{-2});
  CHECK(*m.ints("u32") == std::vector<int64_t>{4000000000});
  CHECK(*m.ints("i32") == std::vector<int64_t>{-3});
  CHECK(*m.doubles("f32") == std::vector<double>{1.5, -2.0});
  CHECK(std::get<std::vector<bool>>(*m.find("bool")) == std::vector<bool>{true, false, true});
  CHECK(*m.strings("string") == std::vector<std::string>{"", "two"});
  CHECK(*m.ints("u64") == std::vector<int64_t>{int64_t{1} << 40});
  CHECK(*m.ints("i64") == std::vector<int64_t>{-4});
  CHECK(*m.doubles("f64") == std::vector<double>{0.1});
  CHECK(m.strings("empty")->empty());
  CHECK(m.ints("string") == nullptr);
}

TEST_CASE("GGUF tensor data begins at general.alignment", "[files]") {
  const uint32_t alignment = GENERATE(8u, 64u, 4096u);
  GgufBytes bytes;
  bytes.header(1, 1).u32_pair("general.alignment", alignment).tensor("a", {1}, 0, 0).pad(alignment).number(42.0f);
  const auto contents = parse(bytes);
  REQUIRE(contents);
  CHECK(*reinterpret_cast<const float*>(contents->tensors[0].slices[0]) == 42.0f);
}

TEST_CASE("GGUF tensors may lie in any order with gaps between, and the last need not be padded", "[files]") {
  GgufBytes bytes;
  bytes.header(2, 0).tensor("late", {3}, 0, 128).tensor("early", {3}, 0, 32).pad().zeros(128 + 12);
  const auto contents = parse(bytes);
  REQUIRE(contents);
  CHECK(contents->tensors[0].slices[0] - contents->tensors[1].slices[0] == 96);
}

TEST_CASE("a GGUF file without tensors is read", "[files]") {
  GgufBytes bytes;
  bytes.header(0, 1).text_pair("general.name", "vocabulary only");
  const auto contents = parse(bytes);
  REQUIRE(contents);
  CHECK(contents->tensors.empty());
}

TEST_CASE("Metadata tells absent keys from wrong ones", "[files]") {
  Metadata m;
  m.set("n", int64_t{5});
  m.set("negative", int64_t{-1});
  m.set("name", std::string("x"));
  m.set("x", 0.25);
  CHECK(*m.u64("n") == 5);
  CHECK(*m.f64("n") == 5.0);
  CHECK(*m.f64("x") == 0.25);
  CHECK(m.u64("absent").error().code == ErrorCode::not_found);
  CHECK(m.u64("absent").error().message.find("'absent'") != std::string::npos);
  CHECK(m.u64("negative").error().code == ErrorCode::corrupt_file);
  CHECK(m.u64("name").error().code == ErrorCode::corrupt_file);
  CHECK(m.u64("x").error().code == ErrorCode::corrupt_file);
  CHECK(m.string("n").error().code == ErrorCode::corrupt_file);
  CHECK(m.boolean("n").error().code == ErrorCode::corrupt_file);
  CHECK(*m.u64_or("absent", 9) == 9);
  CHECK(*m.f64_or("absent", 0.5) == 0.5);
  CHECK(*m.boolean_or("absent", true));
  CHECK(*m.string_or("absent", "d") == "d");
  CHECK(m.u64_or("name", 9).error().code == ErrorCode::corrupt_file);
}

}  // namespace
}  // namespace siskin
