# siskin_add_isa: one translation unit, one instruction set, one relocatable object with one visible symbol.
#
# Why not just another object file with other flags: inline functions and templates are emitted as weak symbols, the linker keeps any
# one copy of each, and a copy compiled for AVX-512 may then be called on a CPU without it. So each unit is linked by itself
# (`ld -r`, COMDAT groups dissolved) and every symbol except its table is made local. GNU ld does it also for Clang: lld has no
# --force-group-allocation.

# Links the relocatable objects into whatever links this target: tests, the shared library, the static one.
add_library(siskin_kernel_objects INTERFACE)
set_property(GLOBAL PROPERTY SISKIN_ISA_ROWS "")
set_property(GLOBAL PROPERTY SISKIN_ISA_OBJECTS "")

# siskin_add_isa(name SOURCE file FLAGS "-m..." SYMBOL kTableName)
# `name` is also the field of CpuFeatures that says whether a CPU runs it. Call in ascending order.
function(siskin_add_isa name)
  siskin_isolate_isa(${name} siskin_kernel_objects ${ARGN})
  cmake_parse_arguments(PARSE_ARGV 1 ISA "" "SOURCE;FLAGS;SYMBOL" "")
  set_property(GLOBAL APPEND PROPERTY SISKIN_ISA_ROWS "SISKIN_ISA(${name}, ${ISA_SYMBOL})")
endfunction()

# siskin_isolate_isa(name user SOURCE file FLAGS "-m..." SYMBOL kTableName): the object alone, for whatever links the interface
# library `user`; select.cpp does not learn of its table.
function(siskin_isolate_isa name user)
  cmake_parse_arguments(PARSE_ARGV 2 ISA "" "SOURCE;FLAGS;SYMBOL" "")
  separate_arguments(flags UNIX_COMMAND "${ISA_FLAGS}")
  string(LENGTH ${ISA_SYMBOL} symbol_length)
  set(mangled _ZN6siskin${symbol_length}${ISA_SYMBOL}E)

  add_library(siskin_isa_${name} OBJECT ${ISA_SOURCE})
  target_include_directories(siskin_isa_${name} PRIVATE ${CMAKE_SOURCE_DIR})
  siskin_warnings(siskin_isa_${name})
  # Optimised in every preset, because intrinsics without it are unusably slow; without sanitizers, whose run-time calls and
  # static initialisers have no place in a unit that must not run before the CPU was asked.
  target_compile_options(siskin_isa_${name} PRIVATE ${flags} -O3 -fno-exceptions -fno-rtti -fno-threadsafe-statics
    -fno-sanitize=all -fno-lto)

  set(object ${CMAKE_CURRENT_BINARY_DIR}/isa_${name}.o)
  add_custom_command(OUTPUT ${object}
    COMMAND ${CMAKE_CXX_COMPILER} -r -nostdlib -fuse-ld=bfd -Wl,--force-group-allocation -o ${object}.all
      $<TARGET_OBJECTS:siskin_isa_${name}>
    COMMAND ${CMAKE_OBJCOPY} --keep-global-symbol=${mangled} ${object}.all ${object}
    DEPENDS siskin_isa_${name} $<TARGET_OBJECTS:siskin_isa_${name}>
    COMMENT "Isolating the ${name} kernels" VERBATIM COMMAND_EXPAND_LISTS)
  add_custom_target(siskin_isolate_${name} DEPENDS ${object})

  target_sources(${user} INTERFACE ${object})
  add_dependencies(${user} siskin_isolate_${name})
  set_property(GLOBAL APPEND PROPERTY SISKIN_ISA_OBJECTS "${object}=${mangled}")
endfunction()

# Writes isa_list.inc, from which select.cpp learns which sets this build has.
function(siskin_write_isa_list file)
  get_property(rows GLOBAL PROPERTY SISKIN_ISA_ROWS)
  string(REPLACE ";" "\n" text "${rows}")
  file(GENERATE OUTPUT ${file} CONTENT "${text}\n")
endfunction()
