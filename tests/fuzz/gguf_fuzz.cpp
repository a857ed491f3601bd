// libFuzzer target of the GGUF parser: any bytes give an error that names the file, or views that lie inside the bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "formats/gguf.h"
#include "tests/fuzz/tensor_views.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto contents = siskin::parse_gguf(bytes, "fuzz");
  if (!contents) {
    if (!contents.error().message.starts_with("fuzz: ")) std::abort();
    return 0;
  }
  return check_views(contents->tensors, bytes);
}
