// Providers: other people's GEMMs (oneDNN, BLIS) behind our matmul contract. A provider sees f32 or bf16 panels unpacked from the
// packed strips, never a second copy of the weights, and runs with one thread inside the caller's task.
#pragma once

#include <memory>
#include <span>

#include <siskin/result.h>

#include "kernels/kernels.h"

namespace siskin {

struct GemmShape {
  DType weights{};
  size_t m = 0;  // activation rows
  size_t n = 0;  // weight rows of one call (a panel: strip range * 16)
  size_t k = 0;
};

// What prepare() made; execute() is noexcept and allocates nothing. One per thread: it owns its scratch panel.
class PreparedGemm {
 public:
  virtual ~PreparedGemm() = default;
  virtual void execute(const MatmulArgs& args) noexcept = 0;  // REQUIRES: args fit the prepared shape; args.x is set
};

class Provider {
 public:
  virtual ~Provider() = default;
  virtual const char* name() const = 0;     // "onednn", "blis"
  virtual const char* version() const = 0;
  virtual bool supports(const GemmShape& shape) const = 0;
  // May allocate, may fail (the library's refusal becomes an Error).
  virtual Result<std::unique_ptr<PreparedGemm>> prepare(const GemmShape& shape) const = 0;
};

std::span<const Provider* const> providers();  // those built in, maybe none

}  // namespace siskin
