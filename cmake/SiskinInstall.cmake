# Installs the library: headers, libsiskin.so, the CMake package and the pkg-config file. Included where the target siskin is made.
include(CMakePackageConfigHelpers)

# Until 1.0 a minor version may break what was compiled against the one before.
set_target_properties(siskin PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  EXPORT_NAME siskin)

set(SISKIN_CMAKE_DIR ${CMAKE_CURRENT_LIST_DIR})
cmake_path(GET SISKIN_CMAKE_DIR PARENT_PATH SISKIN_ROOT_DIR)
set(SISKIN_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/siskin)

install(TARGETS siskin EXPORT siskinTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${SISKIN_ROOT_DIR}/engine/include/siskin ${SISKIN_ROOT_DIR}/formats/include/siskin
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(DIRECTORY ${SISKIN_ROOT_DIR}/bench/shapes DESTINATION ${CMAKE_INSTALL_DATADIR}/siskin)
install(FILES ${SISKIN_ROOT_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

install(EXPORT siskinTargets NAMESPACE siskin:: DESTINATION ${SISKIN_PACKAGE_DIR})
configure_package_config_file(${SISKIN_CMAKE_DIR}/siskinConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/siskinConfig.cmake
  INSTALL_DESTINATION ${SISKIN_PACKAGE_DIR})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/siskinConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/siskinConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/siskinConfigVersion.cmake
  DESTINATION ${SISKIN_PACKAGE_DIR})

# The pkg-config file names its prefix relative to itself, so that an installed tree can be moved.
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH SISKIN_PC_PREFIX /prefix/${pc_dir} /prefix)
configure_file(${SISKIN_CMAKE_DIR}/siskin.pc.in ${CMAKE_CURRENT_BINARY_DIR}/siskin.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/siskin.pc DESTINATION ${pc_dir})
