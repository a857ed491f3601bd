# Tests of the tools that rewrite, invent and judge models.
target_sources(siskin_tests_engine PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/eval_statistics.cpp
  ${CMAKE_CURRENT_LIST_DIR}/eval_zoo.cpp
  ${CMAKE_CURRENT_LIST_DIR}/pack_models.cpp
  ${CMAKE_CURRENT_LIST_DIR}/quantize_files.cpp
  ${CMAKE_CURRENT_LIST_DIR}/quantize_folder.cpp
  ${CMAKE_CURRENT_LIST_DIR}/quantize_plan.cpp
  ${CMAKE_CURRENT_LIST_DIR}/synth_model.cpp
  ${CMAKE_CURRENT_LIST_DIR}/synth_router.cpp
  ${CMAKE_CURRENT_LIST_DIR}/synth_run.cpp
  ${CMAKE_CURRENT_LIST_DIR}/synth_shape.cpp
  ${CMAKE_CURRENT_LIST_DIR}/synth_weights.cpp)
