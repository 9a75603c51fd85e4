#include <manta/error.h>
#include <manta/rl/detail/batch_checks.h>
#include <manta/rl/environment_spec.h>

#include "rl/rollout/collector.h"

namespace manta::rl {
namespace detail {

namespace {

EnvOptions same_step(EnvOptions options) {
  options.autoreset = AutoresetMode::same_step;
  return options;
}

}  // namespace

RolloutWorker::RolloutWorker(const CollectorSetup& setup, std::unique_ptr<VectorEnv> envs)
    : collector_(std::make_unique<Collector>(setup, std::move(envs))) {}

RolloutWorker::~RolloutWorker() = default;

Collected RolloutWorker::collect(const Round& round) { return collector_->collect(round); }
std::string RolloutWorker::save_state() { return collector_->save_state(); }
void RolloutWorker::load_state(const std::string& state) { collector_->load_state(state); }

NamedWorker::NamedWorker(CollectorSetup setup, std::string id, EnvOptions options)
    : RolloutWorker(setup, make_env(id, static_cast<std::size_t>(setup.num_envs), same_step(options))) {}

}  // namespace detail

EnvironmentSpec::EnvironmentSpec(std::string id, EnvOptions options)
    : name_(id),
      make_([=](std::size_t num_envs) { return make_env(id, num_envs, detail::same_step(options)); }),
      start_([=](const detail::CollectorSetup& setup, const ActorOptions& actor_options) {
        return detail::start_worker<detail::NamedWorker, ThisFile>(actor_options, setup, id, options);
      }) {}

std::unique_ptr<VectorEnv> EnvironmentSpec::make(std::size_t num_envs) const {
  std::unique_ptr<VectorEnv> envs = make_(num_envs);
  if (envs == nullptr) throw Error(ErrorCode::invalid_argument, name_ + ": its Make function returned no environments");
  (void)detail::checked_space(name_, envs->observation_space());
  (void)detail::checked_space(name_, envs->action_space());
  return envs;
}

}  // namespace manta::rl
