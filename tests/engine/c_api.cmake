# The C API, from C++ and from a strict C11 compiler.
target_sources(siskin_tests_engine PRIVATE ${CMAKE_CURRENT_LIST_DIR}/c_api_test.cpp ${CMAKE_CURRENT_LIST_DIR}/c_api_layout.c)
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/c_api_layout.c PROPERTIES COMPILE_OPTIONS "-std=c11;-Wstrict-prototypes")
