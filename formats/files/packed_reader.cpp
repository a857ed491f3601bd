// Parses a packed file: the fixed part, then the GGUF header that describes the tensors, whose sizes are those of packed
// strips.
#include <limits>
#include <string>

#include "formats/checked_math.h"
#include "formats/files/error_text.h"
#include "formats/files/gguf_header.h"
#include "formats/files/packed_format.h"
#include "formats/packed/layout.h"
#include "formats/packed_file.h"
#include "formats/try.h"

namespace siskin {
namespace {

Error other_version(const std::string& name, const std::string& what) {
  return unsupported_file(name, what + ": packed for another version of siskin; pack the model again");
}

// The fixed part, once every number in it agrees with the file's size.
Result<PackedHead> read_head(std::span<const std::byte> bytes, const std::string& name) {
  if (!is_packed_file(bytes)) {
    const std::string_view begin(reinterpret_cast<const char*>(bytes.data()), std::min(kPackedMagic.size(), bytes.size()));
    return corrupt_at(name, 0, "not a packed file: it begins with " + in_quotes(begin) + ", expected 'SISKINPK'");
  }
  PackedHead head;
  if (bytes.size() < sizeof(head)) {
    return corrupt_file(name, "a packed file of " + std::to_string(bytes.size()) + " bytes, expected at least 64");
  }
  std::memcpy(&head, bytes.data(), sizeof(head));
  if (head.version != kPackedVersion) return other_version(name, "packed file version " + std::to_string(head.version));
  const auto header_end = checked_add(sizeof(head), head.header_bytes);
  const auto file_end = checked_add(head.data_start, head.data_bytes);
  if (!header_end || !file_end || *header_end > head.data_start || head.data_start % kPackedDataAlignment != 0) {
    return corrupt_at(name, 16,
                      "a header of " + std::to_string(head.header_bytes) + " bytes and data at " +
                          std::to_string(head.data_start) + ", expected data behind the header at a multiple of 2 MiB");
  }
  if (*file_end != bytes.size()) {
    return corrupt_file(name, "the file has " + std::to_string(bytes.size()) + " bytes, its header says " +
                                  std::to_string(*file_end) + ": it was cut short or added to");
  }
  return head;
}

}  // namespace

bool is_packed_file(std::span<const std::byte> bytes) {
  return bytes.size() >= kPackedMagic.size() && std::memcmp(bytes.data(), kPackedMagic.data(), kPackedMagic.size()) == 0;
}

std::optional<size_t> packed_tensor_bytes(const TensorView& tensor) {
  // Padding can double a small tensor many times over; below this no product comes near 64 bits.
  constexpr size_t kMostElements = size_t{1} << 44;
  const size_t dims = tensor.shape.size();
  if (dims < 1 || dims > 3 || tensor.elements() > kMostElements || !dtype_info(tensor.type).built) return std::nullopt;
  if (dims == 1) return row_bytes(tensor.type, tensor.cols());
  return packed_bytes(tensor.type, tensor.rows(), tensor.cols()) * (dims == 3 ? tensor.shape[0] : 1);
}

Result<PackedContents> parse_packed(std::span<const std::byte> bytes, const std::string& name) {
  SISKIN_TRY(const PackedHead head, read_head(bytes, name));
  const auto header = bytes.subspan(sizeof(head), head.header_bytes);
  if (packed_checksum(head, header) != head.checksum)
    return corrupt_file(name, "the header's check sum is wrong: the file is damaged");
  SISKIN_TRY(GgufContents gguf, parse_gguf_header(header, bytes.subspan(head.data_start), name, packed_tensor_bytes));

  std::set<DType> types;
  for (const TensorView& tensor : gguf.tensors) types.insert(tensor.type);
  if (layouts_fingerprint(types) != head.layouts) return other_version(name, "its layouts are not this build's");
  if ((head.flags & ~kPackedHalfSplit) != 0 || head.reserved != 0) return other_version(name, "unknown flags");
  PackedContents contents;
  contents.metadata = std::move(gguf.metadata);
  contents.pairing = (head.flags & kPackedHalfSplit) != 0 ? RopePairing::half_split : RopePairing::interleaved;
  contents.tensors = std::move(gguf.tensors);
  return contents;
}

}  // namespace siskin
