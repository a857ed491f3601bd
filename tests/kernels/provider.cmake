# The providers of kernels/vendor against the reference kernels.
target_sources(siskin_tests_kernels PRIVATE ${CMAKE_CURRENT_LIST_DIR}/provider_test.cpp)
