# Takes the place of TorchConfig.cmake where deps.sh unpacked the CPU part of a LibTorch that was built for CUDA: the
# original insists on a CUDA toolkit. Defines what the original does for its users.
get_filename_component(TORCH_INSTALL_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(TORCH_INCLUDE_DIRS "${TORCH_INSTALL_PREFIX}/include" "${TORCH_INSTALL_PREFIX}/include/torch/csrc/api/include")
set(TORCH_LIBRARIES torch)
set(TORCH_CXX_FLAGS "")
if(NOT TARGET torch)
  foreach(name IN ITEMS c10 torch)
    add_library(${name} SHARED IMPORTED)
    set_target_properties(${name} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${TORCH_INCLUDE_DIRS}")
  endforeach()
  set_target_properties(c10 PROPERTIES IMPORTED_LOCATION "${TORCH_INSTALL_PREFIX}/lib/libc10.so")
  set_target_properties(torch PROPERTIES IMPORTED_LOCATION "${TORCH_INSTALL_PREFIX}/lib/libtorch_cpu.so"
    INTERFACE_LINK_LIBRARIES c10 INTERFACE_COMPILE_FEATURES cxx_std_20)
endif()
set(TORCH_FOUND TRUE)
