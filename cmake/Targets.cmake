# How a target of this repository is declared. Sources are listed, never globbed.
#
#   manta_library(NAME x [LIBS lib ...] [PRIVATE_LIBS lib ...] [TORCH])   static: manta_x, also manta::x
#   manta_executable(NAME x SOURCES a.cc ... [LIBS lib ...] [TORCH] [INSTALL])
#   manta_test(NAME x SOURCES a.cc ... LABELS unit [LIBS lib ...] [TORCH] [OWN_MAIN] [ZYGOTES] [SERIAL] [OWN_OPTIONS]
#              [NOT_SANITIZED] [TIMEOUT s] [ARGS arg ...] [ENV KEY=VALUE ...])
#   manta_bench(NAME x SOURCES a.cc ... [LIBS lib ...] [TORCH] [OWN_MAIN] [ARGS arg ...])
#
#   manta_unity(TARGET SIZE source ...)   compiles so many of the sources together: their headers are read once
#   manta_cuda_library(NAME x SOURCES a.cu ... [LIBS lib ...])   static, C++20; only where MANTA_HAVE_CUDA
#
# All but the last link manta::core. A library's rooms add their sources with target_sources(manta_x PRIVATE a.cc ...); its
# public headers are in include/ beside the CMakeLists.txt, where there are any. TORCH: links manta::torch with its
# precompiled header; programs are left out where LibTorch is not built. OWN_MAIN: the sources have main; otherwise
# GoogleTest's (Google Benchmark's) is linked. ZYGOTES: the test is registered twice, NAME.fork and NAME.exec, with
# MANTA_ZYGOTE set to each; under sanitizers as NAME.fork alone. SERIAL: no other test runs beside it.
# NOT_SANITIZED: left out with sanitizers: it is about limits of processes, or seconds, which they change.
# OWN_OPTIONS: it will be given compile options of its own, so that it cannot share a precompiled header. The target
# tests_LABEL builds all tests with that label.
include_guard(GLOBAL)

function(manta_add_subdirectory_if_present dir)
  if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${dir}/CMakeLists.txt")
    add_subdirectory(${dir})
  endif()
endfunction()

# Torch's headers take about 18 s a file. This compiles them once for all executables that use them, and once for all
# libraries: those are compiled with -fPIC, which a shared precompiled header must match.
function(manta_reuse_torch_pch target)
  get_target_property(type ${target} TYPE)
  string(TOLOWER "manta_torch_pch_${type}" pch)
  if(NOT TARGET ${pch})
    file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/torch_pch.cc" CONTENT "")
    add_library(${pch} OBJECT EXCLUDE_FROM_ALL "${PROJECT_BINARY_DIR}/torch_pch.cc")
    target_link_libraries(${pch} PRIVATE manta_build_flags manta::torch)
    target_precompile_headers(${pch} PRIVATE <torch/torch.h>)
    if(type STREQUAL "EXECUTABLE")
      set_target_properties(${pch} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
      target_compile_options(${pch} PRIVATE -fPIE)
    endif()
  endif()
  target_precompile_headers(${target} REUSE_FROM ${pch})
endfunction()

# GoogleTest's and Manta's own headers, compiled once for all tests.
function(manta_reuse_test_pch target)
  if(NOT TARGET manta_test_pch)
    file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/test_pch.cc" CONTENT "")
    add_library(manta_test_pch OBJECT EXCLUDE_FROM_ALL "${PROJECT_BINARY_DIR}/test_pch.cc")
    target_link_libraries(manta_test_pch PRIVATE manta_build_flags manta::core GTest::gtest GTest::gmock)
    target_precompile_headers(manta_test_pch PRIVATE <gmock/gmock.h> <gtest/gtest.h> <manta/manta.h>)
    set_target_properties(manta_test_pch PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(manta_test_pch PRIVATE -fPIE)
  endif()
  target_precompile_headers(${target} REUSE_FROM manta_test_pch)
endfunction()

# Names in anonymous namespaces must differ within a group. Sources are relative to the current folder, as everywhere.
function(manta_unity target size)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  file(RELATIVE_PATH folder "${PROJECT_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}")
  string(MAKE_C_IDENTIFIER "${folder}" folder)
  set(count 0)
  foreach(source IN LISTS ARGN)
    math(EXPR group "${count} / ${size}")
    math(EXPR count "${count} + 1")
    set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/${source} TARGET_DIRECTORY ${target} PROPERTIES
      UNITY_GROUP "${folder}_${group}")
  endforeach()
endfunction()

function(manta_library)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "TORCH" "NAME" "LIBS;PRIVATE_LIBS")
  if(ARG_UNPARSED_ARGUMENTS OR NOT ARG_NAME)
    message(FATAL_ERROR "manta_library: NAME is required; not understood: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  set(target manta_${ARG_NAME})
  add_library(${target} STATIC)
  add_library(manta::${ARG_NAME} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${ARG_NAME} LINKER_LANGUAGE CXX)
  if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/include")
    target_include_directories(${target} PUBLIC
      $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  endif()
  target_link_libraries(${target} PUBLIC manta::core ${ARG_LIBS} PRIVATE $<BUILD_INTERFACE:manta_build_flags>)
  foreach(lib IN LISTS ARG_PRIVATE_LIBS)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:${lib}>)
  endforeach()
  if(ARG_TORCH)
    target_link_libraries(${target} PUBLIC manta::torch)
    manta_reuse_torch_pch(${target})
  endif()
endfunction()

function(manta_executable)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "TORCH;INSTALL" "NAME" "SOURCES;LIBS")
  if(ARG_UNPARSED_ARGUMENTS OR NOT ARG_NAME OR NOT ARG_SOURCES)
    message(FATAL_ERROR "manta_executable: NAME and SOURCES are required; not understood: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  if(ARG_TORCH AND NOT TARGET manta_torch)
    return()
  endif()
  add_executable(${ARG_NAME} ${ARG_SOURCES})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_LIBS} manta::core manta_build_flags)
  if(ARG_TORCH)
    target_link_libraries(${ARG_NAME} PRIVATE manta::torch)
    manta_reuse_torch_pch(${ARG_NAME})
  endif()
  if(ARG_INSTALL AND MANTA_INSTALL)
    if(ARG_TORCH)
      # CMAKE_INSTALL_RPATH_USE_LINK_PATH leaves out folders of this project, where deps.sh puts LibTorch.
      set_target_properties(${ARG_NAME} PROPERTIES
        INSTALL_RPATH "${TORCH_INSTALL_PREFIX}/lib;$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
    endif()
    install(TARGETS ${ARG_NAME} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endfunction()

function(manta_cuda_library)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "NAME" "SOURCES;LIBS")
  add_library(${ARG_NAME} STATIC ${ARG_SOURCES})
  set_target_properties(${ARG_NAME} PROPERTIES CUDA_STANDARD 20 CUDA_ARCHITECTURES "${MANTA_CUDA_ARCHITECTURES}")
  target_include_directories(${ARG_NAME} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${ARG_NAME} PUBLIC CUDA::cudart_static ${ARG_LIBS})
endfunction()

# Time limits in seconds, before the factor for sanitizers.
set(MANTA_TIMEOUT_unit 60)
set(MANTA_TIMEOUT_sim 300)
set(MANTA_TIMEOUT_e2e 240)
set(MANTA_TIMEOUT_gpu 300)
set(MANTA_TIMEOUT_bench 900)
set(MANTA_TIMEOUT_stress 1800)
set(MANTA_TIMEOUT_long 3600)

set(MANTA_SANITIZER_OPTIONS ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
    TSAN_OPTIONS=second_deadlock_stack=1)

# manta_register_test(NAME x COMMAND c ... LABELS l ... [SERIAL] [TIMEOUT s] [ENV K=V ...]): add_test with the defaults.
function(manta_register_test)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "SERIAL" "NAME;TIMEOUT" "COMMAND;LABELS;ENV")
  if(ARG_UNPARSED_ARGUMENTS OR NOT ARG_LABELS)
    message(FATAL_ERROR "test ${ARG_NAME}: LABELS is required; not understood: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  list(GET ARG_LABELS 0 label)
  if(NOT MANTA_TIMEOUT_${label})
    message(FATAL_ERROR "test ${ARG_NAME}: the first label is unit, sim, e2e, gpu, bench, stress or long, not ${label}")
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT ${MANTA_TIMEOUT_${label}})
  endif()
  if(MANTA_SANITIZE)
    math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * 5")
  endif()
  add_test(NAME ${ARG_NAME} COMMAND ${ARG_COMMAND})
  set_tests_properties(${ARG_NAME} PROPERTIES
    LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT} SKIP_RETURN_CODE 77
    RUN_SERIAL "$<BOOL:${ARG_SERIAL}>"
    ENVIRONMENT "${MANTA_SANITIZER_OPTIONS};${ARG_ENV}")
endfunction()

function(manta_test)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "TORCH;OWN_MAIN;ZYGOTES;SERIAL;OWN_OPTIONS;NOT_SANITIZED" "NAME;TIMEOUT"
                        "SOURCES;LABELS;LIBS;ARGS;ENV")
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "manta_test ${ARG_NAME}: not understood: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  if(ARG_NOT_SANITIZED AND MANTA_SANITIZE)
    return()
  endif()
  set(pass_on SOURCES ${ARG_SOURCES} LIBS ${ARG_LIBS} GTest::gtest GTest::gmock)
  if(NOT ARG_OWN_MAIN)
    list(APPEND pass_on GTest::gtest_main)
  endif()
  if(ARG_TORCH)
    list(APPEND pass_on TORCH)
  endif()
  manta_executable(NAME ${ARG_NAME} ${pass_on})
  if(NOT TARGET ${ARG_NAME})
    return()
  endif()
  if(NOT ARG_TORCH AND NOT ARG_OWN_OPTIONS)
    manta_reuse_test_pch(${ARG_NAME})
  endif()
  foreach(label IN LISTS ARG_LABELS)
    if(NOT TARGET tests_${label})
      add_custom_target(tests_${label})
    endif()
    add_dependencies(tests_${label} ${ARG_NAME})
  endforeach()
  set(common COMMAND ${ARG_NAME} ${ARG_ARGS} LABELS ${ARG_LABELS} TIMEOUT ${ARG_TIMEOUT})
  if(ARG_SERIAL)
    list(APPEND common SERIAL)
  endif()
  if(ARG_ZYGOTES)
    set(modes fork exec)
    if(MANTA_SANITIZE)  # the other mode starts processes otherwise; what runs in them is the same
      set(modes fork)
    endif()
    foreach(mode IN LISTS modes)
      manta_register_test(NAME ${ARG_NAME}.${mode} ${common} ENV MANTA_ZYGOTE=${mode} ${ARG_ENV})
    endforeach()
  else()
    manta_register_test(NAME ${ARG_NAME} ${common} ENV ${ARG_ENV})
  endif()
endfunction()

function(manta_bench)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "TORCH;OWN_MAIN" "NAME" "SOURCES;LIBS;ARGS")
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "manta_bench ${ARG_NAME}: not understood: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT MANTA_BUILD_BENCH)
    return()
  endif()
  set(pass_on SOURCES ${ARG_SOURCES} LIBS ${ARG_LIBS})
  if(NOT ARG_OWN_MAIN)
    list(APPEND pass_on benchmark::benchmark_main)
  endif()
  if(ARG_TORCH)
    list(APPEND pass_on TORCH)
  endif()
  manta_executable(NAME ${ARG_NAME} ${pass_on})
  if(TARGET ${ARG_NAME} AND MANTA_BUILD_TESTS)
    manta_register_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME} ${ARG_ARGS} LABELS bench SERIAL)
  endif()
endfunction()
