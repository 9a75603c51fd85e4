// Which environments an algorithm trains on, and how they are made, here and in rollout actors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <manta/rl/detail/rollout_worker.h>
#include <manta/rl/make_env.h>

namespace manta::rl {

/// A name that make_env() knows, or what environment<E>() returns for a type of your own.
///
/// **Threading**: immutable. **Ownership**: a value. **Errors**: make() throws what make_env() throws, and
/// Error(invalid_argument) for invalid spaces.
///
///     Ppo known("CartPole-v1");
///     Ppo own(manta::rl::environment<Corridor>());
class EnvironmentSpec {
 public:
  EnvironmentSpec(const char* id) : EnvironmentSpec(std::string(id)) {}
  EnvironmentSpec(std::string id, EnvOptions options = {});

  /// For people.
  const std::string& name() const { return name_; }
  /// They are reset in the step that ends their episode, whatever EnvOptions::autoreset said.
  std::unique_ptr<VectorEnv> make(std::size_t num_envs) const;

  /// For the algorithms.
  using Make = std::function<std::unique_ptr<VectorEnv>(std::size_t num_envs)>;
  using Start = std::function<detail::StartedWorker(const detail::CollectorSetup&, const ActorOptions&)>;
  EnvironmentSpec(std::string name, Make make, Start start)
      : name_(std::move(name)), make_(std::move(make)), start_(std::move(start)) {}
  detail::StartedWorker start(const detail::CollectorSetup& setup, const ActorOptions& options) const {
    return start_(setup, options);
  }

 private:
  std::string name_;
  Make make_;
  Start start_;
};

/// prototype: what each environment is a copy of.
template <Environment E, class File = ThisFile>
EnvironmentSpec environment(EnvOptions options = {}, const E& prototype = E()) {
  options.autoreset = AutoresetMode::same_step;
  return {std::string(E::kId),
          [=](std::size_t num_envs) { return std::make_unique<BatchEnv<E>>(num_envs, options, prototype); },
          [=](const detail::CollectorSetup& setup, const ActorOptions& actor_options) {
            return detail::start_worker<detail::EnvironmentWorker<E>, File>(actor_options, setup, options, prototype);
          }};
}

}  // namespace manta::rl
