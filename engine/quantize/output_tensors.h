// The tensors of a rewritten GGUF file: those of the model as it is read, but for matrices that the files of its architecture
// keep as one.
#pragma once

#include <string>
#include <vector>

#include "formats/model_file.h"
#include "formats/tensor_view.h"

namespace siskin {

struct OutputTensor {
  std::string name;
  Shape shape;
  std::vector<const TensorView*> parts;  // at least one; the rows of each lie behind those of the one before

  size_t cols() const { return parts.front()->cols(); }
  size_t rows() const;  // of all parts, slices end to end; 1 for a vector
};

// In the model's order. They point into it.
std::vector<OutputTensor> output_tensors(const ModelFile& file);

}  // namespace siskin
