// Parses one GGUF file: the header, the tensors' descriptions and where their bytes lie.
#include <algorithm>
#include <set>

#include "formats/checked_math.h"
#include "formats/files/gguf_cursor.h"
#include "formats/files/gguf_format.h"
#include "formats/files/gguf_header.h"
#include "formats/files/gguf_values.h"
#include "formats/gguf.h"
#include "formats/try.h"

namespace siskin {
namespace {

// A tensor before its range is known to be good. Offsets are relative to the data section, `at` is where the file says so.
struct Described {
  TensorView view;
  uint64_t offset = 0;
  size_t bytes = 0;
  size_t at = 0;
};

struct Header {
  uint32_t version = 0;
  uint64_t n_tensors = 0;
  uint64_t n_pairs = 0;
};

Result<Header> read_header(GgufCursor& cursor) {
  SISKIN_TRY(const uint32_t magic, cursor.number<uint32_t>("the magic number"));
  if (magic == kGgufMagicSwapped)
    return unsupported_at(cursor.file(), 0, "a big-endian GGUF file; convert it to little-endian");
  if (magic != kGgufMagic) {
    const std::string_view bytes(reinterpret_cast<const char*>(&magic), sizeof magic);
    return corrupt_at(cursor.file(), 0, "not a GGUF file: it begins with " + in_quotes(bytes) + ", expected 'GGUF'");
  }
  Header header;
  SISKIN_TRY(header.version, cursor.number<uint32_t>("the version"));
  // A small number whose low half is empty was written by a big-endian machine.
  if (header.version != 0 && (header.version & 0xffffu) == 0) {
    return unsupported_at(cursor.file(), 4, "a big-endian GGUF file; convert it to little-endian");
  }
  if (header.version < 1 || header.version > kGgufVersion) {
    return unsupported_at(cursor.file(), 4, "GGUF version " + std::to_string(header.version) + ", expected 1 to 3");
  }
  cursor.set_short_lengths(header.version == 1);
  SISKIN_TRY(header.n_tensors, cursor.length("the tensor count"));
  SISKIN_TRY(header.n_pairs, cursor.length("the metadata count"));
  return header;
}

Result<size_t> alignment_of(const Metadata& metadata, const std::string& file) {
  const MetaValue* value = metadata.find("general.alignment");
  if (value == nullptr) return kGgufAlignment;
  const auto* alignment = std::get_if<uint64_t>(value);
  if (alignment == nullptr) return corrupt_file(file, "general.alignment is not an unsigned integer");
  const bool power_of_two = *alignment != 0 && (*alignment & (*alignment - 1)) == 0;
  if (!power_of_two || *alignment < 8 || *alignment > kGgufMaxAlignment) {
    return corrupt_file(file, "general.alignment is " + std::to_string(*alignment) + ", expected a power of two from 8 to " +
                                  std::to_string(kGgufMaxAlignment));
  }
  return static_cast<size_t>(*alignment);
}

// The dimensions as written, innermost first; every product of them is checked.
Result<Shape> read_shape(GgufCursor& cursor, const std::string& name) {
  const size_t start = cursor.offset();
  SISKIN_TRY(const uint32_t n_dims, cursor.number<uint32_t>("a tensor's dimension count"));
  if (n_dims < 1 || n_dims > kGgufMaxDims) {
    return corrupt_at(cursor.file(), start, name + ": " + std::to_string(n_dims) + " dimensions, expected 1 to 4");
  }
  Shape shape;
  size_t elements = 1;
  for (uint32_t i = 0; i < n_dims; ++i) {
    const size_t dim_at = cursor.offset();
    SISKIN_TRY(const uint64_t dim, cursor.length("a tensor's dimension"));
    if (dim == 0) return corrupt_at(cursor.file(), dim_at, name + ": dimension " + std::to_string(i) + " is zero");
    const auto product = checked_mul(elements, dim);
    if (!product) return corrupt_at(cursor.file(), dim_at, name + ": more elements than 64 bits can count");
    elements = *product;
    shape.push_back(static_cast<size_t>(dim));
  }
  std::reverse(shape.begin(), shape.end());
  return shape;
}

std::optional<size_t> bytes_of_rows(const TensorView& view) {
  const DTypeInfo& info = dtype_info(view.type);
  const auto row = checked_mul(view.cols() / info.block_elems, info.block_bytes);
  if (!row) return std::nullopt;
  return checked_mul(*row, view.elements() / view.cols());
}

Result<Described> read_description(GgufCursor& cursor, TensorBytes tensor_bytes) {
  Described tensor;
  const size_t name_at = cursor.offset();
  SISKIN_TRY(const std::string_view name, cursor.string("a tensor's name"));
  if (!is_plain_name(name) || name.size() > kGgufMaxNameBytes) {
    return corrupt_at(cursor.file(), name_at,
                      "a tensor's name is " + in_quotes(name) + ", expected 1 to 64 printable ASCII bytes");
  }
  tensor.view.name = name;
  SISKIN_TRY(tensor.view.shape, read_shape(cursor, tensor.view.name));
  const size_t type_at = cursor.offset();
  SISKIN_TRY(const uint32_t type, cursor.number<uint32_t>("a tensor's type"));
  const DTypeInfo* info = find_dtype(type);
  const bool own = info != nullptr && !in_gguf(info->type) && tensor_bytes == &bytes_of_rows;  // a packed file has them
  if (info == nullptr || own) {
    return unsupported_at(cursor.file(), type_at, tensor.view.name + ": unknown tensor type number " + std::to_string(type));
  }
  tensor.view.type = info->type;
  if (tensor.view.cols() % info->block_elems != 0) {
    return corrupt_at(cursor.file(), type_at,
                      tensor.view.name + ": rows of " + std::to_string(tensor.view.cols()) +
                          " elements, expected a multiple of " + std::to_string(info->block_elems) + " for " + info->name);
  }
  const auto bytes = tensor_bytes(tensor.view);
  if (!bytes) {
    return corrupt_at(
        cursor.file(), type_at,
        tensor.view.name + ": " + info->name + " " + shape_text(tensor.view.shape) + ", more bytes than a file can hold");
  }
  tensor.bytes = *bytes;
  tensor.at = cursor.offset();
  SISKIN_TRY(tensor.offset, cursor.number<uint64_t>("a tensor's offset"));
  return tensor;
}

Result<std::vector<Described>> read_descriptions(GgufCursor& cursor, uint64_t count, TensorBytes tensor_bytes) {
  // The shortest description: a length, one byte of name, a dimension count, one dimension, a type, an offset.
  const size_t shortest = cursor.length_bytes() + 1 + 4 + cursor.length_bytes() + 4 + 8;
  if (count > cursor.left() / shortest) {
    return corrupt_at(cursor.file(), cursor.offset(),
                      std::to_string(count) + " tensors, expected at most the " + std::to_string(cursor.left() / shortest) +
                          " that could fit in what is left of the file");
  }
  std::vector<Described> tensors;
  tensors.reserve(static_cast<size_t>(count));  // so that the views into names stay good
  std::set<std::string_view> names;             // ordered: no choice of names makes it slow
  for (uint64_t i = 0; i < count; ++i) {
    const size_t start = cursor.offset();
    SISKIN_TRY(Described tensor, read_description(cursor, tensor_bytes));
    tensors.push_back(std::move(tensor));
    if (!names.insert(tensors.back().view.name).second) {
      return corrupt_at(cursor.file(), start, "tensor " + in_quotes(tensors.back().view.name) + " appears twice");
    }
  }
  return tensors;
}

Status check_ranges(const std::vector<Described>& tensors, const std::string& file, size_t data_bytes, size_t alignment) {
  std::vector<const Described*> by_offset;
  by_offset.reserve(tensors.size());
  for (const Described& tensor : tensors) {
    const std::string& name = tensor.view.name;
    if (tensor.offset % alignment != 0) {
      return corrupt_at(
          file, tensor.at,
          name + ": offset " + std::to_string(tensor.offset) + ", expected a multiple of " + std::to_string(alignment));
    }
    if (tensor.offset > data_bytes || tensor.bytes > data_bytes - tensor.offset) {
      return corrupt_at(file, tensor.at,
                        name + ": " + std::to_string(tensor.bytes) + " bytes at data offset " + std::to_string(tensor.offset) +
                            ", expected within the file's " + std::to_string(data_bytes) + " data bytes");
    }
    by_offset.push_back(&tensor);
  }
  std::sort(by_offset.begin(), by_offset.end(), [](const Described* a, const Described* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < by_offset.size(); ++i) {
    const Described& before = *by_offset[i - 1];
    const Described& after = *by_offset[i];
    if (after.offset - before.offset < before.bytes) {
      return corrupt_at(
          file, after.at,
          after.view.name + " and " + before.view.name + " overlap at data offset " + std::to_string(after.offset));
    }
  }
  return {};
}

TensorView bind(Described&& tensor, const std::byte* data) {
  TensorView view = std::move(tensor.view);
  const size_t n_slices = view.shape.size() == 3 ? view.shape[0] : 1;
  view.slice_bytes = tensor.bytes / n_slices;
  view.slices.reserve(n_slices);
  for (size_t i = 0; i < n_slices; ++i) view.slices.push_back(data + tensor.offset + i * view.slice_bytes);
  return view;
}

// Everything before the data. `alignment` is what the file says.
Result<std::vector<Described>> read_all(GgufCursor& cursor, TensorBytes tensor_bytes, GgufContents& contents,
                                        size_t& alignment) {
  SISKIN_TRY(const Header header, read_header(cursor));
  contents.version = header.version;
  SISKIN_TRY(contents.metadata, read_gguf_metadata(cursor, header.n_pairs));
  SISKIN_TRY(alignment, alignment_of(contents.metadata, cursor.file()));
  return read_descriptions(cursor, header.n_tensors, tensor_bytes);
}

Status bind_all(std::vector<Described> tensors, std::span<const std::byte> data, const std::string& name, size_t alignment,
                GgufContents& contents) {
  SISKIN_TRY_STATUS(check_ranges(tensors, name, data.size(), alignment));
  contents.tensors.reserve(tensors.size());
  // Slices only now: their number is bounded by the file's size because no ranges overlap.
  for (Described& tensor : tensors) contents.tensors.push_back(bind(std::move(tensor), data.data()));
  return {};
}

}  // namespace

Result<GgufContents> parse_gguf(std::span<const std::byte> bytes, const std::string& name) {
  GgufCursor cursor(bytes, name);
  GgufContents contents;
  size_t alignment = 0;
  SISKIN_TRY(std::vector<Described> tensors, read_all(cursor, bytes_of_rows, contents, alignment));
  if (tensors.empty()) return contents;

  const auto data_start = checked_round_up(cursor.offset(), alignment);
  if (!data_start || *data_start > bytes.size()) {
    return corrupt_at(name, cursor.offset(),
                      "the file ends before its tensor data, expected at a multiple of " + std::to_string(alignment) +
                          ", got a file of " + std::to_string(bytes.size()) + " bytes");
  }
  SISKIN_TRY_STATUS(bind_all(std::move(tensors), bytes.subspan(*data_start), name, alignment, contents));
  return contents;
}

Result<GgufContents> parse_gguf_header(std::span<const std::byte> header, std::span<const std::byte> data,
                                       const std::string& name, TensorBytes tensor_bytes) {
  GgufCursor cursor(header, name);
  GgufContents contents;
  size_t alignment = 0;
  SISKIN_TRY(std::vector<Described> tensors, read_all(cursor, tensor_bytes, contents, alignment));
  SISKIN_TRY_STATUS(bind_all(std::move(tensors), data, name, alignment, contents));
  return contents;
}

}  // namespace siskin
