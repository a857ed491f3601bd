// Packed files: what is written is read back byte for byte, and no damage gets past the header.
#include <catch2/catch.hpp>
#include <cstring>
#include <numeric>

#include "formats/blocks/codec.h"
#include "formats/files/packed_format.h"
#include "formats/packed/layout.h"
#include "formats/packed_file.h"
#include "tests/formats/files_support.h"

namespace siskin {
namespace {

using testing::as_bytes;

std::vector<DType> packable_types() {
  std::vector<DType> types;
  for (uint32_t id = 0; id < 256; ++id) {
    const DTypeInfo* info = find_dtype(id);
    if (info != nullptr && info->built) types.push_back(info->type);
  }
  return types;
}

// Rows in file layout, all different.
std::vector<std::byte> file_rows(DType type, size_t rows, size_t cols) {
  std::vector<std::byte> bytes(rows * row_bytes(type, cols));
  std::vector<float> values(cols);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t k = 0; k < cols; ++k) values[k] = static_cast<float>((r * 37 + k * 11) % 64) - 31.5f;
    encode_row(type, values.data(), bytes.data() + r * row_bytes(type, cols), cols);
  }
  return bytes;
}

std::vector<std::byte> packed_slice(DType type, size_t rows, size_t cols) {
  const std::vector<std::byte> from = file_rows(type, rows, cols);
  std::vector<std::byte> packed(packed_bytes(type, rows, cols));
  pack_strips(type, from.data(), rows, cols, 0, packed.size() / packed_strip_bytes(type, cols), packed.data());
  return packed;
}

GgufTensorSource matrix_source(const std::string& name, DType type, size_t slices, size_t rows, size_t cols) {
  GgufTensorSource source;
  source.name = name;
  source.type = type;
  source.shape = slices == 1 ? Shape{rows, cols} : Shape{slices, rows, cols};
  source.n_slices = slices;
  source.slice_bytes = packed_bytes(type, rows, cols);
  source.produce = [=](size_t, std::span<std::byte> out) -> Status {
    const std::vector<std::byte> packed = packed_slice(type, rows, cols);
    std::memcpy(out.data(), packed.data(), out.size());
    return {};
  };
  return source;
}

Metadata some_metadata() {
  Metadata metadata;
  metadata.set("general.architecture", std::string("llama"));
  metadata.set("tokenizer.ggml.tokens", std::vector<std::string>{"<unk>", "a", "bc"});
  return metadata;
}

std::string small_packed_file(const testing::TempFolder& folder) {
  const GgufTensorSource sources[] = {matrix_source("token_embd.weight", DType::Q8_0, 1, 3, 64),
                                      matrix_source("blk.0.ffn_gate_exps.weight", DType::F16, 2, 17, 5),
                                      testing::pattern_source("output_norm.weight", DType::F32, {5})};
  const Status written = write_packed(folder / "m.packed", some_metadata(), sources, RopePairing::half_split);
  REQUIRE(written);
  return testing::read_file(folder / "m.packed");
}

// The head, rewritten with a check sum that fits: damage that a check sum cannot find.
std::string with_head(std::string bytes, const std::function<void(PackedHead&)>& change) {
  PackedHead head;
  std::memcpy(&head, bytes.data(), sizeof head);
  const size_t header_bytes = head.header_bytes;
  change(head);
  head.checksum = packed_checksum(head, as_bytes(bytes).subspan(sizeof head, header_bytes));
  std::memcpy(bytes.data(), &head, sizeof head);
  return bytes;
}

TEST_CASE("a packed file returns every type's strips, slices and vectors", "[files]") {
  const testing::TempFolder folder;
  std::vector<GgufTensorSource> sources;
  for (const DType type : packable_types()) {
    const size_t cols = 2 * size_t{dtype_info(type).block_elems} + (dtype_info(type).block_elems == 1 ? 3 : 0);
    sources.push_back(matrix_source(std::string(dtype_name(type)) + ".matrix", type, 1, 35, cols));
    sources.push_back(matrix_source(std::string(dtype_name(type)) + ".experts", type, 3, 16, cols));
  }
  sources.push_back(testing::pattern_source("vector", DType::F32, {7}));
  REQUIRE(write_packed(folder / "all.packed", some_metadata(), sources, RopePairing::interleaved));

  const auto file = ModelFile::open(folder / "all.packed");
  REQUIRE(file);
  CHECK(file->is_packed());
  CHECK_FALSE(file->is_hugging_face());
  CHECK(rope_pairing(*file) == RopePairing::interleaved);
  CHECK(file->metadata().strings("tokenizer.ggml.tokens")->size() == 3);
  REQUIRE(file->tensors().size() == sources.size());
  const std::string bytes = testing::read_file(folder / "all.packed");
  for (const GgufTensorSource& source : sources) {
    const TensorView* view = file->find(source.name);
    REQUIRE(view != nullptr);
    INFO(source.name);
    CHECK(view->shape == source.shape);
    CHECK(view->slices.size() == source.n_slices);
    std::vector<std::byte> expected(source.slice_bytes);
    for (size_t slice = 0; slice < source.n_slices; ++slice) {
      REQUIRE(source.produce(slice, expected));
      REQUIRE(view->slice_bytes == expected.size());
      CHECK(std::memcmp(view->slices[slice], expected.data(), expected.size()) == 0);
      CHECK(reinterpret_cast<uintptr_t>(view->slices[0]) % 64 == 0);
    }
  }
}

TEST_CASE("a packed file's data begins at a huge page, and says how its heads are paired", "[files]") {
  const testing::TempFolder folder;
  const std::string bytes = small_packed_file(folder);
  const auto contents = parse_packed(as_bytes(bytes), "m.packed");
  REQUIRE(contents);
  CHECK(contents->pairing == RopePairing::half_split);
  REQUIRE(contents->tensors.size() == 3);
  CHECK(contents->tensors[0].slices[0] == as_bytes(bytes).data() + kPackedDataAlignment);
  CHECK(folder.entries() == 1);
}

TEST_CASE("a packed file cut anywhere is refused in one line", "[files]") {
  const testing::TempFolder folder;
  const std::string good = small_packed_file(folder);
  PackedHead head;
  std::memcpy(&head, good.data(), sizeof head);
  std::vector<size_t> cuts(sizeof head + head.header_bytes + 1);
  std::iota(cuts.begin(), cuts.end(), size_t{0});
  for (const size_t cut :
       {size_t{4096}, kPackedDataAlignment - 1, kPackedDataAlignment, kPackedDataAlignment + 4096, good.size() - 1}) {
    cuts.push_back(cut);
  }
  for (const size_t cut : cuts) {
    const std::string bytes = good.substr(0, cut);
    const auto contents = parse_packed(as_bytes(bytes), "cut.packed");
    INFO("cut at " << cut);
    REQUIRE_FALSE(contents);
    CHECK(contents.error().message.starts_with("cut.packed: "));
    CHECK(contents.error().message.find('\n') == std::string::npos);
  }
  CHECK_FALSE(parse_packed(as_bytes(good + "x"), "long.packed"));
}

TEST_CASE("a packed file with any one bit of its header flipped is refused", "[files]") {
  const testing::TempFolder folder;
  const std::string good = small_packed_file(folder);
  PackedHead head;
  std::memcpy(&head, good.data(), sizeof head);
  for (size_t bit = 0; bit < (sizeof head + head.header_bytes) * 8; ++bit) {
    std::string flipped = good;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto contents = parse_packed(as_bytes(flipped), "flipped.packed");
    INFO("bit " << bit);
    REQUIRE_FALSE(contents);
    CHECK(contents.error().message.starts_with("flipped.packed: "));
  }
}

TEST_CASE("a packed file whose check sum was made to fit is still checked", "[files]") {
  const testing::TempFolder folder;
  const std::string good = small_packed_file(folder);
  const auto code = [](const std::string& bytes) {
    const auto contents = parse_packed(as_bytes(bytes), "m.packed");
    return contents ? std::optional<ErrorCode>() : contents.error().code;
  };
  REQUIRE_FALSE(code(with_head(good, [](PackedHead&) {})));
  CHECK(code(with_head(good, [](PackedHead& head) { head.version = 2; })) == ErrorCode::unsupported);
  CHECK(code(with_head(good, [](PackedHead& head) { head.flags |= 2; })) == ErrorCode::unsupported);
  CHECK(code(with_head(good, [](PackedHead& head) { head.layouts ^= 1; })) == ErrorCode::unsupported);
  CHECK(code(with_head(good, [](PackedHead& head) { head.data_start += 64; })) == ErrorCode::corrupt_file);
  CHECK(code(with_head(good, [](PackedHead& head) { head.data_start = 0; })) == ErrorCode::corrupt_file);
  CHECK(code(with_head(good, [](PackedHead& head) { head.data_bytes -= 4096; })) == ErrorCode::corrupt_file);
  CHECK(code(with_head(good, [](PackedHead& head) { head.data_bytes = ~uint64_t{0}; })) == ErrorCode::corrupt_file);

  // Every byte of the GGUF header set to the values that lengths, counts and offsets dislike most.
  PackedHead head;
  std::memcpy(&head, good.data(), sizeof head);
  for (size_t i = sizeof head; i < sizeof head + head.header_bytes; ++i) {
    for (const char value : {'\0', '\x7f', '\xff'}) {
      std::string damaged = good;
      damaged[i] = value;
      damaged = with_head(damaged, [](PackedHead&) {});
      const auto bytes = as_bytes(damaged);
      const auto contents = parse_packed(bytes, "damaged.packed");
      if (!contents) continue;
      INFO("byte " << i);
      for (const TensorView& tensor : contents->tensors) {
        for (const std::byte* slice : tensor.slices) {
          REQUIRE(slice >= bytes.data());
          REQUIRE(tensor.slice_bytes <= static_cast<size_t>(bytes.data() + bytes.size() - slice));
        }
      }
    }
  }
}

TEST_CASE("a file packed for other layouts says what to do", "[files]") {
  const testing::TempFolder folder;
  const std::string other = with_head(small_packed_file(folder), [](PackedHead& head) { head.layouts ^= 1; });
  testing::write_file(folder / "old.packed", other);
  const auto file = ModelFile::open(folder / "old.packed");
  REQUIRE_FALSE(file);
  CHECK(file.error().message.ends_with("packed for another version of siskin; pack the model again"));
}

TEST_CASE("a packed file is not written from sizes that do not add up", "[files]") {
  const testing::TempFolder folder;
  GgufTensorSource source = matrix_source("a", DType::Q8_0, 1, 3, 64);
  source.slice_bytes += 1;
  const Status written = write_packed(folder / "m.packed", {}, std::span(&source, 1), RopePairing::interleaved);
  REQUIRE_FALSE(written);
  CHECK(written.error().code == ErrorCode::invalid_argument);
  CHECK(folder.entries() == 0);
}

}  // namespace
}  // namespace siskin
