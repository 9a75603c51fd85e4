# How Manta's own code is compiled. Nothing here reaches a program that uses Manta.
include_guard(GLOBAL)

if(PROJECT_IS_TOP_LEVEL)
  find_program(MANTA_CCACHE ccache)
  if(MANTA_CCACHE AND NOT DEFINED MANTA_CCACHE_WORKS)  # it fails where it cannot write its cache
    file(WRITE "${CMAKE_BINARY_DIR}/ccache_probe.cc" "int main() {}\n")
    execute_process(COMMAND "${MANTA_CCACHE}" "${CMAKE_CXX_COMPILER}" -c ccache_probe.cc -o ccache_probe.o
      WORKING_DIRECTORY "${CMAKE_BINARY_DIR}" RESULT_VARIABLE result ERROR_QUIET)
    string(COMPARE EQUAL "${result}" 0 result)
    set(MANTA_CCACHE_WORKS ${result} CACHE INTERNAL "")
  endif()
  if(MANTA_CCACHE_WORKS AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # The sloppiness is what ccache needs to reuse results that include a precompiled header; the base, to reuse those of
    # another checkout, whose path line tables then show.
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND};-E;env"
        "CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime"
        "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" "CCACHE_NOHASHDIR=1" "${MANTA_CCACHE}")
  endif()
  find_program(MANTA_MOLD mold)
  find_program(MANTA_LLD ld.lld)
  if(MANTA_MOLD AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12.1)
    add_link_options(-fuse-ld=mold)
  elseif(MANTA_LLD)
    add_link_options(-fuse-ld=lld)
  endif()
  # -g1 keeps symbols and line numbers for gdb and perf at a tenth of the size of full debug information.
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
  set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")
endif()

if(MANTA_SANITIZE)
  # -g1: lines for the reports; a third less to compile and link than with all of -g.
  add_compile_options(-g1 -fsanitize=${MANTA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    add_compile_options(-Wno-maybe-uninitialized)  # g++ says it of its own checks; without a sanitizer it is on
  endif()
  if(MANTA_SANITIZE MATCHES thread)
    add_compile_options(-Wno-tsan)  # Asio has fences, which g++ says ThreadSanitizer does not see
  endif()
  add_link_options(-fsanitize=${MANTA_SANITIZE})
endif()

# Every target of this repository links it PRIVATE: warnings, and includes written from the repository's root.
add_library(manta_build_flags INTERFACE)
target_include_directories(manta_build_flags INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(manta_build_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align -Wunused
  -Wno-missing-field-initializers -fno-semantic-interposition
  $<$<BOOL:${MANTA_WERROR}>:-Werror>)
target_link_options(manta_build_flags INTERFACE -Wl,--as-needed)
