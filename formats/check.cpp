#include "formats/check.h"

#include <cstdlib>
#include <string>

#include <unistd.h>

namespace siskin {

void broken_invariant(const char* file, int line, const char* what) noexcept {
  const std::string text = std::string("siskin: ") + file + ":" + std::to_string(line) + ": broken invariant: " + what + "\n";
  if (write(STDERR_FILENO, text.data(), text.size()) < 0) std::abort();
  std::abort();
}

}  // namespace siskin
