# The tokenizer's tests, part of siskin_tests_formats.
target_sources(siskin_tests_formats PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/tokenizer_algorithms_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/tokenizer_byte_level_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/tokenizer_corrupt_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/tokenizer_files_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/tokenizer_known_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/tokenizer_property_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/tokenizer_to_gguf_test.cpp)
