// Writes GGUF version 3. Numbers take the narrowest type that llama.cpp's loaders ask for: 32 bits where the value fits.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "formats/checked_math.h"
#include "formats/files/atomic_file.h"
#include "formats/files/error_text.h"
#include "formats/files/gguf_format.h"
#include "formats/files/gguf_header.h"
#include "formats/files/tensor_source.h"
#include "formats/gguf.h"
#include "formats/try.h"

namespace siskin {
namespace {

// Keys that describe the file that was read, not the model: the new file has its own alignment and one part.
constexpr std::string_view kFileKeys[] = {"general.alignment", "split.no", "split.count", "split.tensors.count"};

class Bytes {
 public:
  template <class T>
  void number(T value) {
    const auto* begin = reinterpret_cast<const std::byte*>(&value);
    out_.insert(out_.end(), begin, begin + sizeof value);
  }
  void type(GgufValue value) { number(static_cast<uint32_t>(value)); }
  void string(std::string_view text) {
    number(uint64_t{text.size()});
    const auto* begin = reinterpret_cast<const std::byte*>(text.data());
    out_.insert(out_.end(), begin, begin + text.size());
  }
  void array(GgufValue element, size_t count) {
    type(GgufValue::array);
    type(element);
    number(uint64_t{count});
  }
  void pad(size_t alignment) { out_.resize((out_.size() + alignment - 1) / alignment * alignment); }
  std::vector<std::byte> take() { return std::move(out_); }

 private:
  std::vector<std::byte> out_;
};

template <class Narrow, class Wide>
bool fits(Wide value) {
  return value >= static_cast<Wide>(std::numeric_limits<Narrow>::min()) &&
         value <= static_cast<Wide>(std::numeric_limits<Narrow>::max());
}

// F32 even where that rounds: GGUF's float keys are F32 by specification and loaders refuse others. Only what F32 cannot hold
// at all becomes F64.
bool fits_f32(double value) { return !std::isfinite(value) || std::fabs(value) <= double{std::numeric_limits<float>::max()}; }

struct ValueWriter {
  Bytes& out;

  void operator()(bool value) const {
    out.type(GgufValue::boolean);
    out.number(static_cast<uint8_t>(value));
  }
  void operator()(int64_t value) const {
    out.type(fits<int32_t>(value) ? GgufValue::i32 : GgufValue::i64);
    if (fits<int32_t>(value)) return out.number(static_cast<int32_t>(value));
    out.number(value);
  }
  void operator()(uint64_t value) const {
    out.type(fits<uint32_t>(value) ? GgufValue::u32 : GgufValue::u64);
    if (fits<uint32_t>(value)) return out.number(static_cast<uint32_t>(value));
    out.number(value);
  }
  void operator()(double value) const {
    out.type(fits_f32(value) ? GgufValue::f32 : GgufValue::f64);
    if (fits_f32(value)) return out.number(static_cast<float>(value));
    out.number(value);
  }
  void operator()(const std::string& value) const {
    out.type(GgufValue::string);
    out.string(value);
  }
  void operator()(const std::vector<bool>& values) const {
    out.array(GgufValue::boolean, values.size());
    for (const bool value : values) out.number(static_cast<uint8_t>(value));
  }
  void operator()(const std::vector<int64_t>& values) const {
    const bool narrow = std::all_of(values.begin(), values.end(), fits<int32_t, int64_t>);
    out.array(narrow ? GgufValue::i32 : GgufValue::i64, values.size());
    for (const int64_t value : values) {
      if (narrow) {
        out.number(static_cast<int32_t>(value));
      } else {
        out.number(value);
      }
    }
  }
  void operator()(const std::vector<double>& values) const {
    const bool narrow = std::all_of(values.begin(), values.end(), fits_f32);
    out.array(narrow ? GgufValue::f32 : GgufValue::f64, values.size());
    for (const double value : values) {
      if (narrow) {
        out.number(static_cast<float>(value));
      } else {
        out.number(value);
      }
    }
  }
  void operator()(const std::vector<std::string>& values) const {
    out.array(GgufValue::string, values.size());
    for (const std::string& value : values) out.string(value);
  }
};

Status check_tensors(std::span<const GgufTensorSource> tensors, const std::string& file) {
  std::set<std::string_view> names;
  for (const GgufTensorSource& tensor : tensors) {
    if (!is_plain_name(tensor.name) || tensor.name.size() > kGgufMaxNameBytes) {
      return Error{ErrorCode::invalid_argument,
                   file + ": tensor name " + in_quotes(tensor.name) + ", expected 1 to 64 printable ASCII bytes"};
    }
    if (!names.insert(tensor.name).second) {
      return Error{ErrorCode::invalid_argument, file + ": tensor " + in_quotes(tensor.name) + " is given twice"};
    }
    if (tensor.shape.empty() || tensor.shape.size() > kGgufMaxDims) {
      return Error{ErrorCode::invalid_argument,
                   file + ": " + tensor.name + ": shape " + shape_text(tensor.shape) + ", expected 1 to 4 dimensions"};
    }
    if (!in_gguf(tensor.type)) {
      return Error{ErrorCode::invalid_argument, file + ": " + tensor.name + ": GGUF has no type " + dtype_name(tensor.type)};
    }
    SISKIN_TRY_STATUS(check_source_size(tensor, file));
  }
  return {};
}

}  // namespace

Result<std::vector<std::byte>> gguf_header(const Metadata& metadata, std::span<const GgufTensorSource> tensors,
                                           size_t alignment, const std::string& file) {
  Bytes out;
  uint64_t n_pairs = 0;
  const auto describes_file = [](std::string_view key) {
    return std::find(std::begin(kFileKeys), std::end(kFileKeys), key) != std::end(kFileKeys);
  };
  for (const auto& [key, value] : metadata.all()) {
    if (!is_plain_name(key) || key.size() > kGgufMaxKeyBytes) {
      return Error{ErrorCode::invalid_argument,
                   file + ": metadata key " + in_quotes(key) + ", expected 1 to 65535 printable ASCII bytes"};
    }
    if (!describes_file(key)) ++n_pairs;
  }
  out.number(kGgufMagic);
  out.number(kGgufVersion);
  out.number(uint64_t{tensors.size()});
  out.number(n_pairs);
  for (const auto& [key, value] : metadata.all()) {
    if (describes_file(key)) continue;
    out.string(key);
    std::visit(ValueWriter{out}, value);
  }
  uint64_t offset = 0;
  for (const GgufTensorSource& tensor : tensors) {
    out.string(tensor.name);
    out.number(static_cast<uint32_t>(tensor.shape.size()));
    for (auto dim = tensor.shape.rbegin(); dim != tensor.shape.rend(); ++dim) out.number(uint64_t{*dim});
    out.number(static_cast<uint32_t>(tensor.type));
    out.number(offset);
    offset += *checked_round_up(source_bytes(tensor), alignment);
  }
  out.pad(kGgufAlignment);
  return out.take();
}

Result<size_t> padded_data_bytes(std::span<const GgufTensorSource> tensors, size_t alignment, const std::string& file) {
  size_t total = 0;
  for (const GgufTensorSource& tensor : tensors) {
    const auto padded = checked_round_up(source_bytes(tensor), alignment);
    const auto sum = padded ? checked_add(total, *padded) : std::nullopt;
    // Offsets within a file are signed in every system call.
    if (!sum || *sum > size_t{std::numeric_limits<int64_t>::max()} / 2) {
      return Error{ErrorCode::invalid_argument, file + ": the tensors are larger than a file can be"};
    }
    total = *sum;
  }
  return total;
}

Status write_gguf(const std::filesystem::path& path, const Metadata& metadata, std::span<const GgufTensorSource> tensors,
                  const std::function<bool(size_t done, size_t total)>& on_bytes) {
  const std::string name = path.string();
  SISKIN_TRY_STATUS(check_tensors(tensors, name));
  SISKIN_TRY(const size_t data_bytes, padded_data_bytes(tensors, kGgufAlignment, name));
  SISKIN_TRY(const std::vector<std::byte> head, gguf_header(metadata, tensors, kGgufAlignment, name));
  const size_t total = head.size() + data_bytes;
  SISKIN_TRY(AtomicFile file, AtomicFile::create(path, total));
  SISKIN_TRY_STATUS(file.write(head));
  SISKIN_TRY_STATUS(write_sources(file, name, tensors, kGgufAlignment, {head.size(), total, on_bytes}));
  return file.commit();
}

}  // namespace siskin
