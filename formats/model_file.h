// ModelFile: one model on disk, a GGUF file (or its splits), a packed file or a Hugging Face folder, seen as metadata and
// tensors in GGUF's vocabulary. It owns the memory mappings; views into it live as long as it does.
#pragma once

#include <siskin/result.h>

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "formats/files/direct_file.h"
#include "formats/metadata.h"
#include "formats/tensor_view.h"

namespace siskin {

enum class RopePairing : uint8_t {
  interleaved,  // pairs (0,1), (2,3), ...
  half_split,   // pairs (i, i + d/2)
};

// Tensors that nothing here has a use for: layers behind the last, for drafting several tokens at once.
struct LeftOut {
  size_t tensors = 0, bytes = 0;
};

class ModelFile {
 public:
  // Opens and checks the headers; reads no weights. For a split GGUF any part may be named. Every length is checked against
  // the file's size before use. Errors name the file, the byte offset where it matters, what was expected and what was found.
  static Result<ModelFile> open(const std::filesystem::path& path);

  ModelFile(ModelFile&&) noexcept;
  ModelFile& operator=(ModelFile&&) noexcept;
  ~ModelFile();

  const std::filesystem::path& path() const;
  bool is_hugging_face() const;
  // The slices of matrices are packed strips (formats/packed_file.h), not rows; vectors are as in a GGUF file.
  bool is_packed() const;
  const Metadata& metadata() const;
  std::span<const TensorView> tensors() const;
  const TensorView* find(std::string_view name) const;  // nullptr when absent
  // What of the files is not shown here, for their owner to read: a line each.
  std::span<const std::string> notes() const;
  size_t file_bytes() const;                            // all files of the model that hold weights
  LeftOut left_out() const;                             // of a folder's tensors: those that tensors() does not have
  // Tells the kernel that the pages of this tensor will not be read again (they were packed).
  void release(const TensorView& tensor) const;
  // The same for a part of one slice.
  void release(const std::byte* begin, size_t n) const;
  // Where an address inside a tensor lies in the packed file. REQUIRES: is_packed().
  size_t offset_of(const std::byte* address) const;
  // The packed file again, to be read without its mapping. REQUIRES: is_packed().
  Result<DirectFile> reopen() const;
  // Tells the kernel that all of the file will be read again and again where it is mapped.
  void keep_mapped() const;

 private:
  struct State;
  explicit ModelFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;

  friend RopePairing rope_pairing(const ModelFile& file);
};

// The pairing of an architecture's GGUF files.
RopePairing gguf_rope_pairing(std::string_view architecture);

// The pairing of q/k rows in this file, from its kind and architecture; a packed file says which.
RopePairing rope_pairing(const ModelFile& file);

}  // namespace siskin
