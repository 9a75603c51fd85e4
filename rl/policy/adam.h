// Adam over all parameters of a network at once.
#pragma once

#include <manta/torch.h>

#include "rl/policy/flat_parameters.h"

namespace manta::rl::detail {

// Kingma and Ba 2015, arXiv:1412.6980, as torch::optim::Adam computes it with the default betas (0.9, 0.999), in one
// pass.
//
// Threading: one thread at a time. Ownership: shares the parameters.
class Adam {
 public:
  Adam(FlatParameters& parameters, double epsilon);

  void step(double learning_rate);

  // What a checkpoint holds of it; restored in place.
  torch::Tensor mean;    // of gradients
  torch::Tensor square;  // of their squares
  std::int64_t steps = 0;

 private:
  FlatParameters& parameters_;
  double epsilon_;
};

}  // namespace manta::rl::detail
