// The GPUs of this machine, as CUDA will number them; found without starting CUDA (which must not exist before a fork).
#pragma once

#include <string>
#include <vector>

namespace manta::gpu {

// One name per device that this process may use, as CUDA_VISIBLE_DEVICES would name it: the entries of that variable if
// it is set (empty or -1: none), else 0, 1, ... for each /dev/nvidiaN.
std::vector<std::string> visible_devices();

}  // namespace manta::gpu
