// What a training consists of, and what a checkpoint therefore holds.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>

namespace torch {
using namespace at;  // torch::Tensor, as <torch/types.h> has it
namespace nn {
class Module;
}
namespace optim {
class Optimizer;
class LRScheduler;
class ReduceLROnPlateauScheduler;
}  // namespace optim
}  // namespace torch

namespace manta::train {

// The state of a part that is neither network nor optimizer: a few values by name.
using StateValue = std::variant<std::int64_t, double, std::string>;
using StateDict = std::map<std::string, StateValue>;

// A sampler, a learning rate schedule, a class of yours: state_dict() tells all that it needs to go on where it is, and
// load_state_dict() puts it there, or throws and leaves the part as it was.
template <class T>
concept HasStateDict = requires(T& part, const T& same, const StateDict& dict) {
  { same.state_dict() } -> std::convertible_to<StateDict>;
  part.load_state_dict(dict);
};

// Names the parts of a training, so that one call saves all of it and one call restores all of it to the bit:
//
//   State state;
//   state.add("model", *network).add("optimizer", optimizer).add("sampler", sampler).add("step", step);
//   Checkpoint::save("runs/1/checkpoint_000000", state);
//   Checkpoint("runs/1/checkpoint_000000").restore(state);
//
// What it does not hold is the state of random generators, which every rank has its own of: see random_state().
//
// Threading: none of its own; the parts must not change while a checkpoint is saved or restored. Ownership: it refers
// to the parts, which must outlive it. Errors: add throws Error(invalid_argument) for a name that is taken, empty,
// longer than 100 bytes, or has other characters than letters, digits, '_' and '-'.
class State {
 public:
  struct Custom {
    std::function<StateDict()> save;
    std::function<void(const StateDict&)> load;
  };
  using Part = std::variant<torch::nn::Module*, torch::optim::Optimizer*, at::Tensor*, std::int64_t*, double*,
                            std::string*, Custom>;

  // Parameters and buffers.
  State& add(std::string name, torch::nn::Module& module) { return add_part(std::move(name), &module); }
  // Its options, as the learning rate, and what it knows of each parameter.
  State& add(std::string name, torch::optim::Optimizer& optimizer) { return add_part(std::move(name), &optimizer); }
  // LibTorch's learning rate schedulers, as StepLR: where it is. The rates are the optimizer's, the rest its constructor's.
  State& add(std::string name, torch::optim::LRScheduler& scheduler);
  State& add(std::string name, torch::optim::ReduceLROnPlateauScheduler& scheduler);
  // Restored in place; an undefined tensor takes what the checkpoint has.
  State& add(std::string name, at::Tensor& tensor) { return add_part(std::move(name), &tensor); }
  State& add(std::string name, std::int64_t& value) { return add_part(std::move(name), &value); }
  State& add(std::string name, double& value) { return add_part(std::move(name), &value); }
  // UTF-8.
  State& add(std::string name, std::string& value) { return add_part(std::move(name), &value); }
  template <HasStateDict T>
  State& add(std::string name, T& part) {
    return add_part(std::move(name), Custom{[&part]() -> StateDict { return part.state_dict(); },
                                            [&part](const StateDict& dict) { part.load_state_dict(dict); }});
  }

  // In the order in which they were added.
  const std::vector<std::pair<std::string, Part>>& parts() const { return parts_; }

 private:
  State& add_part(std::string name, Part part);

  std::vector<std::pair<std::string, Part>> parts_;
};

// The state of this process' random generator for the CPU, as a tensor of bytes: what torch::randn and dropout go on
// with.
torch::Tensor random_state();

// Throws Error(invalid_argument) for a tensor that random_state() of this LibTorch did not make.
void set_random_state(const torch::Tensor& state);

}  // namespace manta::train
