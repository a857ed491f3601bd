// libFuzzer target of the packed file parser: any bytes give an error that names the file, or views that lie inside the bytes. The
// check sum is made to fit, or nothing would get past it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "formats/files/packed_format.h"
#include "formats/packed_file.h"
#include "tests/fuzz/tensor_views.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::byte> bytes(size);
  if (size != 0) std::memcpy(bytes.data(), data, size);
  siskin::PackedHead head;
  if (size >= sizeof head) {
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.header_bytes <= size - sizeof head) {
      head.checksum = siskin::packed_checksum(head, std::span(bytes).subspan(sizeof head, head.header_bytes));
      std::memcpy(bytes.data(), &head, sizeof head);
    }
  }
  const auto contents = siskin::parse_packed(bytes, "fuzz");
  if (!contents) {
    if (!contents.error().message.starts_with("fuzz: ")) std::abort();
    return 0;
  }
  return check_views(contents->tensors, bytes);
}
