#include "rl/perceptron/kernels.h"

#include <vector>

namespace manta::rl::detail {

std::span<const Kernels* const> available_kernels() {
  static const std::vector<const Kernels*> here = [] {
    std::vector<const Kernels*> kernels;
#ifdef MANTA_RL_X86
    if (__builtin_cpu_supports("avx512f") != 0) kernels.push_back(&kernels_avx512);
    if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) kernels.push_back(&kernels_avx2);
#endif
    kernels.push_back(&kernels_anywhere);
    return kernels;
  }();
  return here;
}

}  // namespace manta::rl::detail
