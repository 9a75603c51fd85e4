# `cmake --install`, and the package that find_package(manta) finds: components core and, where they were built, torch,
# report, http, train, tune, serve, serve_torch, rl_env, rl and testing.
include_guard(GLOBAL)
include(CMakePackageConfigHelpers)

set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/manta")
foreach(component IN ITEMS core torch report http train tune serve serve_torch rl_env rl testing)
  if(TARGET manta_${component})
    install(TARGETS manta_${component} EXPORT manta_${component} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(EXPORT manta_${component} NAMESPACE manta:: DESTINATION ${config_dir} FILE manta-${component}.cmake)
  endif()
endforeach()

if(NOT MANTA_HAVE_TORCH)
  set(without_torch PATTERN "torch*" EXCLUDE PATTERN "process_group*" EXCLUDE)
endif()
install(DIRECTORY core/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" ${without_torch})
if(TARGET manta_train)
  install(DIRECTORY train/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
endif()
if(TARGET manta_tune)
  install(DIRECTORY tune/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
endif()
if(TARGET manta_serve)
  if(NOT TARGET manta_serve_torch)
    set(without_torch PATTERN "torch.h" EXCLUDE)
  endif()
  install(DIRECTORY serve/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" ${without_torch})
endif()
if(TARGET manta_rl_env)
  install(DIRECTORY rl/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
endif()
install(FILES "${PROJECT_BINARY_DIR}/include/manta/version.h" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/manta)

configure_package_config_file(cmake/manta-config.cmake.in "${PROJECT_BINARY_DIR}/manta-config.cmake"
  INSTALL_DESTINATION ${config_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/manta-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/manta-config.cmake" "${PROJECT_BINARY_DIR}/manta-config-version.cmake"
  DESTINATION ${config_dir})
