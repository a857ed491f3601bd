#include "tests/places.h"

#include <cstdlib>

namespace siskin::places {

std::filesystem::path zoo() { return SISKIN_ZOO_DIR; }

std::filesystem::path golden() { return SISKIN_GOLDEN_DIR; }
std::filesystem::path shapes() { return SISKIN_SHAPES_DIR; }

std::filesystem::path test_data() {
  const char* set = std::getenv("SISKIN_TEST_DATA");
  return set != nullptr ? set : SISKIN_TEST_DATA_DEFAULT;
}

}  // namespace siskin::places
