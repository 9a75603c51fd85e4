# Finds what Manta builds on. Nothing is downloaded: cmake/deps.sh does that, before configuring.
# The user's CMAKE_PREFIX_PATH is searched first; what deps.sh unpacked under .deps/ comes after it.
include_guard(GLOBAL)

set(MANTA_DEPS_DIR "$ENV{MANTA_DEPS_DIR}" CACHE PATH "Where cmake/deps.sh unpacks wheels and data")
if(NOT MANTA_DEPS_DIR)
  set_property(CACHE MANTA_DEPS_DIR PROPERTY VALUE "${PROJECT_SOURCE_DIR}/.deps")
endif()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(Boost 1.74 REQUIRED)  # headers only: Asio, Beast, PFR
find_package(cereal REQUIRED)
find_package(tl-expected REQUIRED)
# Links between nodes: TLS 1.3 with pre-shared keys. Statically, because loading the shared libraries costs each program
# 2 ms at its start, and 1 MiB, also where there is no cluster.
set(OPENSSL_USE_STATIC_LIBS ON)
find_package(OpenSSL 3.0 QUIET)
if(NOT OpenSSL_FOUND)
  set(OPENSSL_USE_STATIC_LIBS OFF)
  find_package(OpenSSL 3.0 REQUIRED)
endif()
if(MANTA_BUILD_TESTS)
  find_package(GTest REQUIRED)
  find_package(rapidcheck REQUIRED)
endif()
find_package(Eigen3 3.3 QUIET NO_MODULE)  # for tune
find_package(nlohmann_json QUIET)  # without it, the libraries that need it are left out
if(MANTA_BUILD_SERVE)
  find_package(CLI11 QUIET)  # without it, the program manta is left out
endif()
if(MANTA_BUILD_BENCH)
  find_package(CLI11 REQUIRED)
  find_package(nlohmann_json REQUIRED)
  find_package(benchmark QUIET)  # only a manta_bench without a main of its own needs it
endif()

set(MANTA_HAVE_CUDA OFF)
set(MANTA_CUDA_ARCHITECTURES "80-virtual;90-real" CACHE STRING "What CUDA code is compiled for, as CMake writes it")
if(NOT MANTA_CUDA STREQUAL "OFF" AND NOT MANTA_SANITIZE)
  find_package(CUDAToolkit QUIET)
  include(CheckLanguage)
  check_language(CUDA)
  if(CUDAToolkit_FOUND AND CMAKE_CUDA_COMPILER)
    set(MANTA_HAVE_CUDA ON)
    enable_language(CUDA)
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that nvcc has C++20
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    endif()
    # A LibTorch built for CUDA looks for the toolkit in an older way, which misses one that is not beside its nvcc.
    get_filename_component(toolkit "${CUDAToolkit_BIN_DIR}" DIRECTORY)
    set(CUDA_TOOLKIT_ROOT_DIR "${toolkit}" CACHE PATH "The CUDA toolkit, as LibTorch looks for it")
    # It would ask the GPU at hand, and stop where there is none; its answer does not matter to MANTA_CUDA_ARCHITECTURES.
    set(TORCH_CUDA_ARCH_LIST "8.0;9.0" CACHE STRING "Unused by Manta; keeps LibTorch from looking for a GPU")
  elseif(MANTA_CUDA STREQUAL "ON")
    message(FATAL_ERROR "MANTA_CUDA=ON, but no CUDA toolkit with nvcc was found. "
            "Set CUDAToolkit_ROOT and CMAKE_CUDA_COMPILER to it, or configure with -DMANTA_CUDA=OFF.")
  endif()
endif()

set(MANTA_HAVE_TORCH OFF)
if(NOT MANTA_TORCH STREQUAL "OFF")
  if(Torch_DIR MATCHES "^${MANTA_DEPS_DIR}/")
    unset(Torch_DIR CACHE)  # so that a CMAKE_PREFIX_PATH given later still wins over .deps/
  endif()
  # Torch's configuration warns about every optional part that its package left out; these warnings are of no use here.
  set(CMAKE_MESSAGE_LOG_LEVEL ERROR)
  find_package(Torch 2.11 QUIET HINTS "${MANTA_DEPS_DIR}/torch/torch")
  unset(CMAKE_MESSAGE_LOG_LEVEL)
  set(MANTA_HAVE_TORCH ${Torch_FOUND})
  if(MANTA_TORCH STREQUAL "ON" AND NOT MANTA_HAVE_TORCH)
    message(FATAL_ERROR "MANTA_TORCH=ON, but LibTorch 2.11 or newer was not found. "
            "Run cmake/deps.sh, or set CMAKE_PREFIX_PATH to yours, or configure with -DMANTA_TORCH=OFF.")
  endif()
endif()
message(STATUS "Manta: LibTorch ${MANTA_HAVE_TORCH} ${Torch_DIR}, CUDA ${MANTA_HAVE_CUDA} ${CUDAToolkit_VERSION}")

# NCCL's header, to compile against; its library is loaded when a group first needs it. The machine's own comes first.
set(MANTA_HAVE_NCCL OFF)
if(MANTA_HAVE_TORCH AND MANTA_HAVE_CUDA)
  find_path(MANTA_NCCL_INCLUDE_DIR nccl.h PATHS "${MANTA_DEPS_DIR}/nccl/include" DOC "Where nccl.h is")
  mark_as_advanced(MANTA_NCCL_INCLUDE_DIR)
  if(MANTA_NCCL_INCLUDE_DIR)
    set(MANTA_HAVE_NCCL ON)
  else()
    message(STATUS "Manta: without collectives between GPUs: nccl.h was not found; cmake/deps.sh nccl gets it")
  endif()
endif()

# MuJoCo and Gymnasium's description of a body for it, for rl. The machine's own comes first.
set(MANTA_HAVE_MUJOCO OFF)
if(MANTA_BUILD_RL)
  find_path(MANTA_MUJOCO_INCLUDE_DIR mujoco/mujoco.h PATHS "${MANTA_DEPS_DIR}/rl/mujoco/include" DOC "Where mujoco/mujoco.h is")
  find_file(MANTA_MUJOCO_LIBRARY NAMES libmujoco.so.3.17.0 libmujoco.so PATHS "${MANTA_DEPS_DIR}/rl/mujoco" /usr/local/lib
    DOC "MuJoCo's library")
  find_file(MANTA_HALF_CHEETAH_XML half_cheetah.xml PATHS "${MANTA_DEPS_DIR}/rl/gymnasium/envs/mujoco/assets"
    DOC "Gymnasium's half_cheetah.xml")
  mark_as_advanced(MANTA_MUJOCO_INCLUDE_DIR MANTA_MUJOCO_LIBRARY MANTA_HALF_CHEETAH_XML)
  if(MANTA_MUJOCO_INCLUDE_DIR AND MANTA_MUJOCO_LIBRARY AND MANTA_HALF_CHEETAH_XML)
    set(MANTA_HAVE_MUJOCO ON)
  else()
    message(STATUS "Manta: rl is without HalfCheetah: MuJoCo was not found; cmake/deps.sh rl gets it")
  endif()
endif()

# DuckDB, for data: a library with a C interface. The machine's own comes first.
if(MANTA_BUILD_DATA)
  find_path(MANTA_DUCKDB_INCLUDE_DIR duckdb.h PATHS "${MANTA_DEPS_DIR}/duckdb/include" DOC "Where duckdb.h is")
  find_library(MANTA_DUCKDB_LIBRARY duckdb PATHS "${MANTA_DEPS_DIR}/duckdb/lib" DOC "DuckDB's library")
  mark_as_advanced(MANTA_DUCKDB_INCLUDE_DIR MANTA_DUCKDB_LIBRARY)
  if(MANTA_DUCKDB_INCLUDE_DIR AND MANTA_DUCKDB_LIBRARY)
    add_library(duckdb SHARED IMPORTED GLOBAL)
    set_target_properties(duckdb PROPERTIES IMPORTED_LOCATION "${MANTA_DUCKDB_LIBRARY}" IMPORTED_NO_SONAME ON
      INTERFACE_INCLUDE_DIRECTORIES "${MANTA_DUCKDB_INCLUDE_DIR}")
  endif()
endif()
