# Decode beside a plain read loop, in pairs.
add_executable(decode_pairs ${CMAKE_CURRENT_LIST_DIR}/decode_pairs/main.cpp)
target_link_libraries(decode_pairs PRIVATE siskin_internal)
siskin_warnings(decode_pairs)
