# The tokenizer's tests, part of siskin_tests_formats.
target_sources(siskin_tests_formats PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/tokenizer_known_test.cpp)
