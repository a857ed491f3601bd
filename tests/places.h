// Where the tests find what is not theirs. Only places.cpp is told of this checkout's path, so that the other objects are the same
// in every checkout and a compiler cache serves them all.
#pragma once

#include <filesystem>

namespace siskin::places {

std::filesystem::path zoo();        // examples/zoo
std::filesystem::path shapes();     // bench/shapes
std::filesystem::path golden();     // tests/golden
std::filesystem::path test_data();  // SISKIN_TEST_DATA, or the folder that the build was told of; it may not exist

}  // namespace siskin::places
