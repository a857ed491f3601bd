#include "formats/files/tensor_source.h"

#include "formats/checked_math.h"
#include "formats/files/error_text.h"
#include "formats/try.h"

namespace siskin {
namespace {

// nullopt: zero or overflowing dimensions, or a row that the block does not divide.
std::optional<size_t> expected_bytes(const GgufTensorSource& tensor) {
  const DTypeInfo& info = dtype_info(tensor.type);
  const size_t cols = tensor.shape.empty() ? 1 : tensor.shape.back();
  size_t elements = 1;
  for (const size_t dim : tensor.shape) {
    const auto product = checked_mul(elements, dim);
    if (!product || *product == 0) return std::nullopt;
    elements = *product;
  }
  if (cols % info.block_elems != 0) return std::nullopt;
  const auto blocks = checked_mul(elements / info.block_elems, info.block_bytes);
  const auto heads = checked_mul(elements / cols, info.head_bytes);
  return blocks && heads ? checked_add(*blocks, *heads) : std::nullopt;
}

}  // namespace

Status check_source_size(const GgufTensorSource& tensor, const std::string& file) {
  const auto expected = expected_bytes(tensor);
  const auto given = checked_mul(tensor.n_slices, tensor.slice_bytes);
  if (expected && given && *expected == *given) return {};
  return Error{ErrorCode::invalid_argument,
               file + ": " + in_quotes(tensor.name) + ": " + dtype_name(tensor.type) + " " + shape_text(tensor.shape) + " in " +
                   std::to_string(tensor.n_slices) + " slices of " + std::to_string(tensor.slice_bytes) + " bytes, expected " +
                   (expected ? std::to_string(*expected) + " bytes in all" : "a shape of whole blocks")};
}

Status write_sources(AtomicFile& file, const std::string& name, std::span<const GgufTensorSource> tensors, size_t alignment,
                     WriteProgress progress) {
  std::vector<std::byte> buffer;
  for (const GgufTensorSource& tensor : tensors) {
    const size_t padding = *checked_round_up(source_bytes(tensor), alignment) - source_bytes(tensor);
    for (size_t slice = 0; slice < tensor.n_slices; ++slice) {
      buffer.assign(tensor.slice_bytes + (slice + 1 == tensor.n_slices ? padding : 0), std::byte{0});
      SISKIN_TRY_STATUS(tensor.produce(slice, std::span(buffer).first(tensor.slice_bytes)));
      SISKIN_TRY_STATUS(file.write(buffer));
      progress.done += buffer.size();
      if (progress.on_bytes && !progress.on_bytes(progress.done, progress.total)) {
        return Error{ErrorCode::cancelled, name + ": writing was cancelled"};
      }
    }
  }
  return {};
}

}  // namespace siskin
