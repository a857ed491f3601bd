# kernels_bench: Google Benchmark over kernel_list.inc.
find_package(benchmark REQUIRED)
add_executable(kernels_bench
  ${CMAKE_CURRENT_LIST_DIR}/kernels_bench/attention_cases.cpp
  ${CMAKE_CURRENT_LIST_DIR}/kernels_bench/main.cpp
  ${CMAKE_CURRENT_LIST_DIR}/kernels_bench/bf16_cases.cpp
  ${CMAKE_CURRENT_LIST_DIR}/kernels_bench/matmul_cases.cpp
  ${CMAKE_CURRENT_LIST_DIR}/kernels_bench/memory_cases.cpp
  ${CMAKE_CURRENT_LIST_DIR}/kernels_bench/small_cases.cpp)
target_link_libraries(kernels_bench PRIVATE siskin_internal benchmark::benchmark)
siskin_warnings(kernels_bench)
