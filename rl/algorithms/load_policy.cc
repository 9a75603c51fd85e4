#include <manta/rl/policy.h>

#include <optional>
#include <string>
#include <utility>

#include <ATen/CPUGeneratorImpl.h>

#include <manta/error.h>
#include <manta/train/checkpoint_store.h>

#include "rl/algorithms/actor_critic_policy.h"
#include "rl/algorithms/q_policy.h"
#include "rl/policy/thread_count.h"

namespace manta::rl {
namespace {

using detail::PolicyDescription;

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what) {
  throw Error(
      ErrorCode::invalid_argument,
      path.string() + " " + what + ". Next: give a file that Policy::save wrote, a checkpoint or a run's folder.");
}

// A policy of PPO with statistics of its own.
class LoadedActorCritic final : public detail::ActorCriticPolicy {
 public:
  LoadedActorCritic(const PolicyDescription& description, ActorCritic network, RunningStatistics statistics)
      : ActorCriticPolicy(description.observations, description.actions, description.layers, std::move(network),
                          description.normalizes ? &statistics_ : nullptr),
        statistics_(std::move(statistics)) {}

 private:
  RunningStatistics statistics_;
};

RunningStatistics statistics_of(const torch::Tensor& mean, const torch::Tensor& variance) {
  const auto numbers = [](const torch::Tensor& tensor) {
    const torch::Tensor values = tensor.to(at::kDouble).contiguous();
    return std::vector<double>(values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel());
  };
  return {.mean = numbers(mean), .variance = numbers(variance), .count = 0};
}

// The network of a policy whose parameters are not there yet, and where statistics go.
struct Parts {
  ActorCritic actor_critic{nullptr};
  Mlp values{nullptr};
  torch::Tensor mean, variance;

  explicit Parts(const PolicyDescription& description) {
    const detail::ThreadCount threads(1);
    const auto inputs = static_cast<std::int64_t>(description.observations.size());
    if (description.algorithm == "ppo") {
      actor_critic = ActorCritic(inputs, description.actions, description.layers, 0);
    } else {
      values = Mlp(inputs, std::get<Discrete>(description.actions).n, 1.0, description.layers,
                   at::make_generator<at::CPUGeneratorImpl>(0));
    }
  }
  torch::nn::Module& network() { return actor_critic ? static_cast<torch::nn::Module&>(*actor_critic) : *values; }

  std::unique_ptr<Policy> policy(const std::filesystem::path& from, const PolicyDescription& description) {
    if (values) {
      return std::make_unique<detail::QPolicy>(description.observations, description.actions, description.layers,
                                               values, description.epsilon);
    }
    RunningStatistics statistics;
    if (description.normalizes) {
      if (!mean.defined() || !variance.defined()) refuse(from, "lacks the statistics of its observations");
      statistics = statistics_of(mean, variance);
      if (statistics.size() != description.observations.size()) refuse(from, "has statistics of another size");
    }
    return std::make_unique<LoadedActorCritic>(description, actor_critic, std::move(statistics));
  }
};

PolicyDescription described(const std::filesystem::path& from, const std::string& text) {
  PolicyDescription description = detail::policy_of_text(text);
  const bool known = description.algorithm == "ppo" ||
                     (description.algorithm == "dqn" && std::holds_alternative<Discrete>(description.actions));
  if (!known) refuse(from, "holds a policy of '" + description.algorithm + "', which this version does not know");
  return description;
}

std::unique_ptr<Policy> from_checkpoint(const train::Checkpoint& checkpoint) {
  std::string text;
  train::State about;
  checkpoint.restore(about.add("policy", text));
  const PolicyDescription description = described(checkpoint.folder(), text);
  Parts parts(description);
  train::State state;
  state.add("model", parts.network());
  if (description.normalizes) state.add("observation_mean", parts.mean).add("observation_variance", parts.variance);
  checkpoint.restore(state);
  return parts.policy(checkpoint.folder(), description);
}

std::unique_ptr<Policy> from_file(const std::filesystem::path& file) {
  train::SafeTensors content = train::load_safetensors(file);
  const auto text = content.metadata.find(detail::kPolicyMetadata);
  if (text == content.metadata.end()) refuse(file, "holds tensors but no policy");
  const PolicyDescription description = described(file, text->second);
  Parts parts(description);
  const torch::NoGradGuard no_grad;
  for (auto& parameter : parts.network().named_parameters()) {
    const auto found = content.tensors.find(parameter.key());
    if (found == content.tensors.end() || found->second.sizes() != parameter.value().sizes()) {
      refuse(file, "has no '" + parameter.key() + "' of the right shape");
    }
    parameter.value().copy_(found->second);
  }
  parts.mean = content.tensors["observation_mean"];
  parts.variance = content.tensors["observation_variance"];
  return parts.policy(file, description);
}

}  // namespace

std::unique_ptr<Policy> load_policy(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return from_file(path);
  if (std::filesystem::exists(path / "state.json")) return from_checkpoint(train::Checkpoint(path));
  const auto latest = train::CheckpointStore(path).latest();
  if (!latest) {
    throw Error(ErrorCode::not_found, path.string() + " has no checkpoint. Next: give a run's folder that has one.");
  }
  return from_checkpoint(*latest);
}

}  // namespace manta::rl
