// What an agent does when it sees something.
#pragma once

#include <manta/rl/space.h>
#include <manta/torch.h>

namespace manta::rl {

// A policy to be used: by evaluate(), or by a program of yours. Ppo and Dqn make it.
//
// Threading: one thread at a time. Ownership: it shares its network with the algorithm that made it, so that it follows
// the training; use it between two calls of train().
//
//   torch::Tensor action = ppo.policy().act(observations);     // [n, O] as the environment gives them
class Policy {
 public:
  virtual ~Policy() = default;
  Policy() = default;
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;

  virtual const Box& observation_space() const = 0;
  virtual const ActionSpace& action_space() const = 0;

  // observations: float [n, O] as environments give them (it normalises them itself where it was trained so). Returns
  // int64 [n], or float [n, A] within the bounds of the space.
  //
  // deterministic: the likeliest action (the mean of a Box); else one drawn with torch's default generator.
  // Errors: throws Error(invalid_argument) for another shape.
  virtual torch::Tensor act(const torch::Tensor& observations, bool deterministic = true) = 0;
};

}  // namespace manta::rl
