# Blocks and packed layouts depend on the standard library alone, so a cross build tests them beside the kernels.
if(SISKIN_KERNELS_ONLY)
  set(blocks_test_target siskin_tests_kernels)
else()
  set(blocks_test_target siskin_tests_formats)
endif()
target_sources(${blocks_test_target} PRIVATE ${CMAKE_CURRENT_LIST_DIR}/blocks_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/blocks_types_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/blocks_fp8_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/blocks_packed_test.cpp)
