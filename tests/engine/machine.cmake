# Tests of engine/machine: parsing limits, the cache, the probe's honesty.
target_sources(siskin_tests_engine PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/machine_cache_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/machine_limits_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/machine_probe_test.cpp)
