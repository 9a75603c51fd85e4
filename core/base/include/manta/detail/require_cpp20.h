// The first error of a program that is compiled as an older C++ says so.
#pragma once

#if __cplusplus < 202002L
#error \
    "manta: needs C++20: compile with -std=c++20 or newer (CMake: target_compile_features(your_target PRIVATE cxx_std_20))"
#endif
