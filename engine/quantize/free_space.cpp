// Room on the file system that a model is written to.
#include "engine/quantize/free_space.h"

#include <string>
#include <system_error>

namespace siskin {

Status check_free_space(const std::filesystem::path& out, std::span<const GgufTensorSource> tensors) {
  uintmax_t needed = 0;  // headers and padding are small beside the tensors
  for (const GgufTensorSource& tensor : tensors) needed += uintmax_t{tensor.n_slices} * tensor.slice_bytes;
  std::error_code unknown;
  const auto space = std::filesystem::space(std::filesystem::absolute(out).parent_path(), unknown);
  if (unknown || needed <= space.available) return {};
  constexpr uintmax_t kMegabyte = 1000000;
  return Error{ErrorCode::io, out.string() + ": needs " + std::to_string(needed / kMegabyte) + " MB, the file system has " +
                                  std::to_string(space.available / kMegabyte) + " MB free"};
}

}  // namespace siskin
