# Model files: GGUF, safetensors, Hugging Face folders.
target_sources(siskin_tests_formats PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/files_fused.cpp
  ${CMAKE_CURRENT_LIST_DIR}/files_gguf_corrupt.cpp
  ${CMAKE_CURRENT_LIST_DIR}/files_gguf_damage.cpp
  ${CMAKE_CURRENT_LIST_DIR}/files_gguf_read.cpp
  ${CMAKE_CURRENT_LIST_DIR}/files_gguf_write.cpp
  ${CMAKE_CURRENT_LIST_DIR}/files_hf_config.cpp
  ${CMAKE_CURRENT_LIST_DIR}/files_hf_folder.cpp
  ${CMAKE_CURRENT_LIST_DIR}/files_hf_quantized.cpp
  ${CMAKE_CURRENT_LIST_DIR}/files_model_file.cpp
  ${CMAKE_CURRENT_LIST_DIR}/files_packed.cpp
  ${CMAKE_CURRENT_LIST_DIR}/files_safetensors.cpp
  ${CMAKE_CURRENT_LIST_DIR}/files_safetensors_corrupt.cpp
  ${CMAKE_CURRENT_LIST_DIR}/files_trace.cpp
  ${CMAKE_CURRENT_LIST_DIR}/files_zoo.cpp
)
