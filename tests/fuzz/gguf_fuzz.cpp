// libFuzzer target of the GGUF parser: any bytes give an error that names the file, or views that lie inside the bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "formats/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto contents = siskin::parse_gguf(bytes, "fuzz");
  if (!contents) {
    if (!contents.error().message.starts_with("fuzz: ")) std::abort();
    return 0;
  }
  size_t sum = 0;
  for (const siskin::TensorView& tensor : contents->tensors) {
    if (tensor.slices.empty() || tensor.slice_bytes == 0) std::abort();
    for (const std::byte* slice : tensor.slices) {
      if (slice < bytes.data() || tensor.slice_bytes > static_cast<size_t>(bytes.data() + size - slice)) std::abort();
      sum += static_cast<size_t>(slice[tensor.slice_bytes - 1]);
    }
  }
  return sum == SIZE_MAX;
}
