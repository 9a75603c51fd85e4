// The parts of a training, which a checkpoint saves and restores.
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

/// The state of a part other than a network or an optimizer: a few values by name.
using StateValue = std::variant<std::int64_t, double, std::string>;
using StateDict = std::map<std::string, StateValue>;

/// A sampler, a learning rate schedule, a class of yours: state_dict() returns its whole state, and load_state_dict()
/// restores it, or throws and leaves the part unchanged.
template <class T>
concept HasStateDict = requires(T& part, const T& same, const StateDict& dict) {
  { same.state_dict() } -> std::convertible_to<StateDict>;
  part.load_state_dict(dict);
};

/// Names the parts of a training, so that one call saves all of them and one call restores them to the bit:
///
///     State state;
///     state.add("model", *network).add("optimizer", optimizer).add("sampler", sampler).add("step", step);
///     Checkpoint::save("runs/1/checkpoint_000000", state);
///     Checkpoint("runs/1/checkpoint_000000").restore(state);
///
/// It does not hold random generators, since each rank has its own: see random_state().
///
/// **Threading**: one thread; the parts must not change while a checkpoint is saved or restored. **Ownership**: refers
/// to the parts, which must outlive it. **Errors**: add throws Error(invalid_argument) for a name that is taken, empty,
/// longer than 100 bytes, or has characters other than letters, digits, '_' and '-'.
class State {
 public:
  struct Custom {
    std::function<StateDict()> save;
    std::function<void(const StateDict&)> load;
  };
  using Part = std::variant<torch::nn::Module*, torch::optim::Optimizer*, at::Tensor*, std::int64_t*, double*,
                            std::string*, Custom>;

  /// A network: its parameters and buffers.
  State& add(std::string name, torch::nn::Module& module) { return add_part(std::move(name), &module); }
  /// An optimizer: its options, such as the learning rate, and its state for each parameter.
  State& add(std::string name, torch::optim::Optimizer& optimizer) { return add_part(std::move(name), &optimizer); }
  /// LibTorch's learning rate schedulers, such as StepLR: the position alone. The optimizer holds the rates.
  State& add(std::string name, torch::optim::LRScheduler& scheduler);
  State& add(std::string name, torch::optim::ReduceLROnPlateauScheduler& scheduler);
  /// Restored in place; an undefined tensor becomes the checkpoint's.
  State& add(std::string name, at::Tensor& tensor) { return add_part(std::move(name), &tensor); }
  State& add(std::string name, std::int64_t& value) { return add_part(std::move(name), &value); }
  State& add(std::string name, double& value) { return add_part(std::move(name), &value); }
  /// Must be UTF-8.
  State& add(std::string name, std::string& value) { return add_part(std::move(name), &value); }
  template <HasStateDict T>
  State& add(std::string name, T& part) {
    return add_part(std::move(name), Custom{[&part]() -> StateDict { return part.state_dict(); },
                                            [&part](const StateDict& dict) { part.load_state_dict(dict); }});
  }

  /// The parts in the order of add().
  const std::vector<std::pair<std::string, Part>>& parts() const { return parts_; }

 private:
  State& add_part(std::string name, Part part);

  std::vector<std::pair<std::string, Part>> parts_;
};

/// The state of this process' CPU generator, which torch::randn and dropout use: a uint8 tensor of one dimension.
torch::Tensor random_state();

/// Sets the CPU generator. Throws Error(invalid_argument) for a tensor that this LibTorch's random_state() did not
/// make.
void set_random_state(const torch::Tensor& state);

}  // namespace manta::train
