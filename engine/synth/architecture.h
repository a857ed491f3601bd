// The tensors and metadata of a shape, named and laid out as GGUF files of its architecture are, so that other engines load
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/synth/shape.h"
#include "formats/metadata.h"
#include "formats/tensor_view.h"

namespace siskin {

// What a synthesised tensor holds.
enum class Filling : uint8_t {
  random,           // a projection
  residual_output,  // a projection whose output is added to the residual stream
  embedding,
  router,
  ones,       // norms
  zeros,      // biases, attention sinks
  last_norm,  // ones; what takes the embedding's size out before a tied head
};

struct SynthTensor {
  std::string name;
  Shape shape;
  Filling filling{};
  size_t layer = 0;
};

// "llama", "gemma", ... : GGUF's words. Those that our own engine cannot run are for other engines.
bool can_be_synthesised(std::string_view architecture);
// "llama, gemma, ..."
std::string synthesised_architectures();

// In file order. REQUIRES: check_shape(shape).
std::vector<SynthTensor> tensors_of(const ModelShape& shape);

// Sets general.architecture and the keys under its prefix.
void describe_architecture(const ModelShape& shape, Metadata& metadata);

}  // namespace siskin
