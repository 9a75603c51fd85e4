// Whether a tensor's data are what its type and shape say.
#pragma once

#include <string>

#include <manta/serve/inference.h>

namespace manta::serve {

// What is wrong, to follow the tensor's name; empty: nothing. Threading: any.
std::string wrong_data(const Tensor& tensor);

}  // namespace manta::serve
