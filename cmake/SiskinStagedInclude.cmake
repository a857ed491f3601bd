# Cross builds: header-only packages of the host (xsimd, Catch2) are linked into a folder of their own, because -I/usr/include would
# bring the host's C library along.
set(SISKIN_STAGED_INCLUDE "")
if(CMAKE_CROSSCOMPILING)
  set(SISKIN_STAGED_INCLUDE ${CMAKE_BINARY_DIR}/staged-include)
  file(MAKE_DIRECTORY ${SISKIN_STAGED_INCLUDE})
  foreach(package xsimd catch2)
    if(NOT EXISTS /usr/include/${package})
      message(FATAL_ERROR "cross build: the host has no /usr/include/${package} (Debian: libxsimd-dev, catch2)")
    endif()
    file(CREATE_LINK /usr/include/${package} ${SISKIN_STAGED_INCLUDE}/${package} SYMBOLIC)
  endforeach()
  include_directories(SYSTEM ${SISKIN_STAGED_INCLUDE})
endif()
