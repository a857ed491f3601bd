// Writes packed files. Nothing is known of kernels here: the sources produce strips that are packed already.
#include <string>

#include "formats/checked_math.h"
#include "formats/files/atomic_file.h"
#include "formats/files/error_text.h"
#include "formats/files/gguf_header.h"
#include "formats/files/packed_format.h"
#include "formats/files/tensor_source.h"
#include "formats/packed_file.h"
#include "formats/try.h"

namespace siskin {
namespace {

Status check_size(const GgufTensorSource& tensor, const std::string& file) {
  TensorView view;
  view.type = tensor.type;
  view.shape = tensor.shape;
  const bool whole = !tensor.shape.empty() && tensor.shape.back() % dtype_info(tensor.type).block_elems == 0;
  const auto expected = whole ? packed_tensor_bytes(view) : std::nullopt;
  const auto given = checked_mul(tensor.n_slices, tensor.slice_bytes);
  if (expected && given && *expected == *given) return {};
  return Error{ErrorCode::invalid_argument,
               file + ": " + in_quotes(tensor.name) + ": " + dtype_name(tensor.type) + " " + shape_text(tensor.shape) + " in " +
                   std::to_string(tensor.n_slices) + " runs of " + std::to_string(tensor.slice_bytes) + " bytes, expected " +
                   (expected ? std::to_string(*expected) + " packed bytes" : "a shape that packs")};
}

}  // namespace

Status write_packed(const std::filesystem::path& path, const Metadata& metadata, std::span<const GgufTensorSource> tensors,
                    RopePairing pairing, const std::function<bool(size_t done, size_t total)>& on_bytes) {
  const std::string name = path.string();
  std::set<DType> types;
  for (const GgufTensorSource& tensor : tensors) {
    SISKIN_TRY_STATUS(check_size(tensor, name));
    types.insert(tensor.type);
  }
  SISKIN_TRY(const std::vector<std::byte> header, gguf_header(metadata, tensors, kPackedTensorAlignment, name));
  SISKIN_TRY(const size_t data_bytes, padded_data_bytes(tensors, kPackedTensorAlignment, name));

  PackedHead head{};
  std::memcpy(head.magic, kPackedMagic.data(), kPackedMagic.size());
  head.version = kPackedVersion;
  head.flags = pairing == RopePairing::half_split ? kPackedHalfSplit : 0;
  head.header_bytes = header.size();
  head.data_start = *checked_round_up(sizeof(head) + header.size(), kPackedDataAlignment);
  head.data_bytes = data_bytes;
  head.layouts = layouts_fingerprint(types);
  head.checksum = packed_checksum(head, header);

  const size_t total = head.data_start + data_bytes;
  SISKIN_TRY(AtomicFile file, AtomicFile::create(path, total));
  std::vector<std::byte> start(head.data_start);
  std::memcpy(start.data(), &head, sizeof(head));
  std::memcpy(start.data() + sizeof(head), header.data(), header.size());
  SISKIN_TRY_STATUS(file.write(start));
  SISKIN_TRY_STATUS(write_sources(file, name, tensors, kPackedTensorAlignment, {start.size(), total, on_bytes}));
  return file.commit();
}

}  // namespace siskin
