# Writes OUT, a C++ source that defines siskin::selector::ASSET as the bytes of IN. Run by the build with -P.
file(READ "${IN}" hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
get_filename_component(name "${IN}" NAME)
file(WRITE "${OUT}" "// Generated from ${name}.
#include \"selector/assets.h\"

namespace siskin::selector {
namespace {
constexpr unsigned char kBytes[] = {${bytes}};
}  // namespace
std::string_view ${ASSET}() { return {reinterpret_cast<const char*>(kBytes), sizeof kBytes}; }
}  // namespace siskin::selector
")
