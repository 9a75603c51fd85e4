// What a policy is, beside its parameters: so that it can be made again without its algorithm.
#pragma once

#include <string>

#include <manta/rl/network_options.h>
#include <manta/rl/policy.h>
#include <manta/rl/space.h>
#include <manta/train/safetensors.h>

namespace manta::rl::detail {

struct PolicyDescription {
  std::string algorithm;  // "ppo", "dqn"
  Box observations;
  ActionSpace actions;
  NetworkOptions layers;
  bool normalizes = false;  // observations, by their mean and variance
  double epsilon = 0;       // of dqn: share of random actions
};

// JSON; infinite bounds are strings. Errors: policy_of_text throws Error(invalid_argument) for another text.
std::string text_of(const PolicyDescription& description);
PolicyDescription policy_of_text(const std::string& text);

// The parameters of a network by name, for a file.
train::NamedTensors parameters_of(const torch::nn::Module& network);

inline constexpr const char* kPolicyMetadata = "manta.policy";

}  // namespace manta::rl::detail
