# Options, language level and warnings shared by every target of the house.
include(GNUInstallDirs)

option(SISKIN_BUILD_TESTS "Build the tests" ON)
option(SISKIN_BUILD_PROGRAMS "Build the command line, the selector and the benchmarks" ON)
option(SISKIN_KERNELS_ONLY "Build formats' blocks, the kernels and their tests alone (cross builds)" OFF)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
# -O3 -g0 without NDEBUG: SISKIN_CHECK does not depend on it, assert() is not used.
set(CMAKE_CXX_FLAGS_RELEASE "-O2")

find_program(SISKIN_CCACHE ccache)
if(SISKIN_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SISKIN_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${SISKIN_CCACHE})
endif()

# siskin_add_room(name SOURCES...): one folder, one static target, our warnings as errors.
function(siskin_add_room name)
  add_library(siskin_${name} OBJECT ${ARGN})
  target_include_directories(siskin_${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/formats/include)
  siskin_warnings(siskin_${name})
endfunction()

function(siskin_warnings target)
  # -ffp-contract=off: a*b+c is fused only where the code says fma, so that sums are the same on every compiler.
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror
    -ffp-contract=off)
  # Under sanitizers GCC 12 sees uninitialised values inside the standard library's own headers (<regex> in Catch2).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  endif()
endfunction()
