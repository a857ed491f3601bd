# The spin team against TBB on the token path.
add_executable(grid_bench ${CMAKE_CURRENT_LIST_DIR}/grid_bench/main.cpp)
target_link_libraries(grid_bench PRIVATE siskin_internal)
siskin_warnings(grid_bench)
