// Checks a tensor's data against its type and shape.
#pragma once

#include <string>

#include <manta/serve/inference.h>

namespace manta::serve {

// The problem, as text to follow the tensor's name; empty: none. Threading: any thread.
std::string wrong_data(const Tensor& tensor);

}  // namespace manta::serve
