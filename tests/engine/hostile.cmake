# Files that lie: loading and running them gives an error or an answer, never a crash.
target_sources(siskin_tests_engine PRIVATE ${CMAKE_CURRENT_LIST_DIR}/hostile_test.cpp ${CMAKE_CURRENT_LIST_DIR}/hostile_mixtures_test.cpp)
