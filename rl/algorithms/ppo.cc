// PPO: collect, estimate, update, again and again.
#include <manta/rl/ppo.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include <manta/detail/check_option.h>
#include <manta/error.h>

#include "rl/algorithms/actor_critic_policy.h"
#include "rl/algorithms/ppo_loss.h"
#include "rl/algorithms/snapshot.h"
#include "rl/log/run_log.h"
#include "rl/policy/adam.h"
#include "rl/policy/flat_parameters.h"
#include "rl/policy/mlp_pass.h"
#include "rl/policy/thread_count.h"
#include "rl/rollout/collectors.h"

namespace manta::rl {

using detail::Minibatch;
using detail::PpoLosses;

namespace {

// options: resolved.
PpoOptions checked(PpoOptions options) {
  manta::detail::check_option("PpoOptions::num_envs", static_cast<double>(*options.num_envs), 1);
  manta::detail::check_option("PpoOptions::num_steps", static_cast<double>(*options.num_steps), 1);
  manta::detail::check_option("PpoOptions::num_minibatches", static_cast<double>(*options.num_minibatches), 1);
  manta::detail::check_option("PpoOptions::update_epochs", static_cast<double>(*options.update_epochs), 1);
  manta::detail::check_option("PpoOptions::total_steps", static_cast<double>(options.total_steps), 1);
  if (options.stop_at_return)
    manta::detail::check_option("PpoOptions::stop_at_return", *options.stop_at_return, -manta::detail::kNoBound);
  manta::detail::check_positive("PpoOptions::learning_rate", *options.learning_rate);
  manta::detail::check_option("PpoOptions::gamma", options.gamma, 0, 1);
  manta::detail::check_option("PpoOptions::gae_lambda", options.gae_lambda, 0, 1);
  manta::detail::check_positive("PpoOptions::clip_coefficient", options.clip_coefficient);
  manta::detail::check_option("PpoOptions::entropy_coefficient", *options.entropy_coefficient, 0);
  manta::detail::check_option("PpoOptions::value_coefficient", options.value_coefficient, 0);
  manta::detail::check_positive("PpoOptions::max_gradient_norm", options.max_gradient_norm);
  if (options.target_kl) manta::detail::check_positive("PpoOptions::target_kl", *options.target_kl);
  for (const std::int64_t size : options.network.hidden_sizes)
    manta::detail::check_option("PpoOptions::network.hidden_sizes", static_cast<double>(size), 1);
  const std::int64_t batch = *options.num_envs * *options.num_steps, minibatches = *options.num_minibatches;
  if (batch % minibatches == 0 && batch / minibatches >= 2) return options;
  throw Error(
      ErrorCode::invalid_argument,
      "PpoOptions: " + std::to_string(batch) + " steps (num_envs * num_steps) do not make " +
          std::to_string(minibatches) +
          " minibatches. Next: choose num_minibatches so that each has the same number of steps, two at least.");
}

detail::CollectorSetup setup_of(const PpoOptions& options) {
  detail::CollectorSetup setup;
  setup.num_envs = *options.num_envs;
  setup.num_steps = *options.num_steps;
  setup.seed = options.seed;
  setup.network = options.network;
  setup.normalize_observations = *options.normalize_observations;
  setup.normalize_rewards = *options.normalize_rewards;
  setup.gamma = options.gamma;
  return setup;
}

// 0 to size - 1 in an order that depends on the arguments only.
torch::Tensor shuffled(std::int64_t size, std::uint64_t seed, std::int64_t iteration, std::int64_t epoch) {
  Rng rng(seed ^ (static_cast<std::uint64_t>(iteration) << 20) ^ (static_cast<std::uint64_t>(epoch) << 52));
  torch::Tensor order = at::empty({size}, at::kLong);
  auto* place = order.mutable_data_ptr<std::int64_t>();
  std::iota(place, place + size, 0);
  for (std::int64_t i = size - 1; i > 0; --i) std::swap(place[i], place[rng.below(static_cast<std::uint64_t>(i) + 1)]);
  return order;
}

double explained_variance(const torch::Tensor& values, const torch::Tensor& returns) {
  const double variance = returns.var().item<double>();
  if (variance == 0) return std::numeric_limits<double>::quiet_NaN();
  return 1 - (returns - values).var().item<double>() / variance;
}

}  // namespace

PpoOptions PpoOptions::resolved_for(const ActionSpace& actions) const {
  PpoOptions all = *this;
  const bool discrete = std::holds_alternative<Discrete>(actions);
  const auto choose = [discrete](auto& option, auto for_discrete, auto for_box) {
    if (!option) option = discrete ? for_discrete : for_box;
  };
  choose(all.num_envs, 4, 1);
  choose(all.num_steps, 128, 2048);
  choose(all.num_minibatches, 4, 32);
  choose(all.update_epochs, 4, 10);
  choose(all.learning_rate, 2e-3, 3e-4);
  choose(all.entropy_coefficient, 0.01, 0.0);
  choose(all.normalize_observations, false, true);
  choose(all.normalize_rewards, false, true);
  return all;
}

class Ppo::Learner {
 public:
  Learner(const EnvironmentSpec& environment, const PpoOptions& options, const RunConfig& run)
      : Learner(environment, *environment.make(1), options, run, detail::ThreadCount(1)) {}

  TrainingResult train();
  Policy& policy() { return policy_; }

 private:
  // threads: small decompositions, as of the first weights, are slower with more of them.
  Learner(const EnvironmentSpec& environment, const VectorEnv& sample, const PpoOptions& options, const RunConfig& run,
          const detail::ThreadCount& threads);

  double learning_rate() const;
  Rollout collect();
  Minibatch estimate(const Rollout& rollout);
  Metrics update(const Minibatch& batch);
  void learn(double rate, const Minibatch& minibatch, PpoLosses& sums);
  train::State state_with(torch::Tensor& rest);
  void save();
  void restore(const train::Checkpoint& checkpoint);

  PpoOptions options_;
  ActorCritic network_;
  detail::FlatParameters parameters_;
  detail::MlpPass actor_, critic_;  // of the network
  detail::Adam optimizer_;
  detail::Statistics statistics_;
  detail::ActorCriticPolicy policy_;
  // In checkpoints, for load_policy().
  std::string description_ = detail::text_of(policy_.description());
  torch::Tensor observation_mean_, observation_variance_;
  detail::RunLog log_;
  detail::Collectors collectors_;
};

Ppo::Learner::Learner(const EnvironmentSpec& environment, const VectorEnv& sample, const PpoOptions& options,
                      const RunConfig& run, const detail::ThreadCount&)
    : options_(checked(options.resolved_for(sample.action_space()))),
      network_(static_cast<std::int64_t>(sample.observation_size()), sample.action_space(), options.network,
               options.seed),
      parameters_(*network_),
      actor_(network_->actor),
      critic_(network_->critic),
      optimizer_(parameters_, 1e-5),
      statistics_{RunningStatistics::initial(sample.observation_size()), RunningStatistics::initial(1)},
      policy_(sample.observation_space(), sample.action_space(), options.network, network_,
              *options_.normalize_observations ? &statistics_.observations : nullptr),
      log_(run, "ppo", options.total_steps),
      collectors_(environment, setup_of(options_),
                  {run.num_rollout_actors, run.cpus_per_rollout_actor, run.max_actor_restarts, run.rollout_timeout}) {
  if (const auto checkpoint = log_.to_resume()) restore(*checkpoint);
}

TrainingResult Ppo::Learner::train() {
  const detail::ThreadCount threads(1);
  log_.start();
  bool saved = true;
  while (log_.progress().steps < options_.total_steps && !log_.reached(options_.stop_at_return)) {
    const Rollout rollout = collect();
    const Minibatch batch = estimate(rollout);
    Metrics metrics = update(batch);
    metrics["losses/explained_variance"] = metrics["train/explained_variance"] =
        explained_variance(batch.values, batch.returns);
    log_.iteration(log_.progress().steps + batch.values.numel(), std::move(metrics), collectors_.processes());
    saved = log_.checkpoint_is_due();
    if (saved) save();
  }
  if (!saved) save();
  TrainingResult result = log_.finish(options_.stop_at_return);
  result.replaced_actors = collectors_.replaced();
  return result;
}

double Ppo::Learner::learning_rate() const {
  if (!options_.anneal_learning_rate) return *options_.learning_rate;
  const double done = static_cast<double>(log_.progress().steps) / static_cast<double>(options_.total_steps);
  return *options_.learning_rate * std::max(1 - done, 0.0);
}

// num_steps of all environments, with the network as it is.
Rollout Ppo::Learner::collect() {
  const std::int64_t before = log_.progress().steps;
  std::vector<Rollout> rollouts;
  std::vector<detail::FinishedEpisode> episodes;
  for (detail::Collected& part : collectors_.collect({log_.progress().iteration, parameters_.values(), statistics_})) {
    if (*options_.normalize_observations) statistics_.observations.merge(part.seen.observations);
    if (*options_.normalize_rewards) statistics_.returns.merge(part.seen.returns);
    episodes.insert(episodes.end(), part.episodes.begin(), part.episodes.end());
    rollouts.push_back(std::move(part.rollout));
  }
  std::ranges::stable_sort(episodes, {}, &detail::FinishedEpisode::step);
  for (const auto& episode : episodes) {
    log_.episode(before + episode.step * *options_.num_envs, episode.episode_return, episode.length);
  }
  return join(rollouts);
}

// What each step was worth; one row for each.
Minibatch Ppo::Learner::estimate(const Rollout& rollout) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor observations = rollout.observations.flatten(0, 1);
  const std::int64_t steps = observations.size(0), envs = rollout.num_envs();
  critic_.refresh();
  const torch::Tensor values =
      critic_.forward(at::cat({observations, rollout.next_observations, rollout.final_observations})).squeeze(-1);
  const Values opinion{values.narrow(0, 0, steps).view({rollout.num_steps(), envs}), values.narrow(0, steps, envs),
                       values.narrow(0, steps + envs, rollout.final_rows.numel())};
  if (!options_.bootstrap_truncated) values.narrow(0, steps + envs, rollout.final_rows.numel()).zero_();
  const Advantages estimated = generalized_advantages(rollout, opinion, options_.gamma, options_.gae_lambda);
  return {observations,
          rollout.actions.flatten(0, 1),
          rollout.log_probs.flatten(),
          estimated.advantages.flatten(),
          estimated.returns.flatten(),
          opinion.values.flatten()};
}

Metrics Ppo::Learner::update(const Minibatch& batch) {
  const double rate = learning_rate();
  const std::int64_t size = batch.values.numel(), part = size / *options_.num_minibatches;
  PpoLosses sums;
  double minibatches = 0;
  for (std::int64_t epoch = 0; epoch < *options_.update_epochs; ++epoch) {
    const torch::Tensor order = shuffled(size, options_.seed, log_.progress().iteration, epoch);
    const auto in_order = [&order](const torch::Tensor& rows) { return rows.index_select(0, order); };
    const Minibatch all{in_order(batch.observations), in_order(batch.actions), in_order(batch.log_probs),
                        in_order(batch.advantages),   in_order(batch.returns), in_order(batch.values)};
    const double kl_before = sums.approx_kl;
    for (std::int64_t start = 0; start < size; start += part, ++minibatches) {
      learn(rate,
            {all.observations.narrow(0, start, part), all.actions.narrow(0, start, part),
             all.log_probs.narrow(0, start, part), all.advantages.narrow(0, start, part),
             all.returns.narrow(0, start, part), all.values.narrow(0, start, part)},
            sums);
    }
    const double kl = (sums.approx_kl - kl_before) / static_cast<double>(*options_.num_minibatches);
    if (options_.target_kl && kl > *options_.target_kl) break;
  }
  if (!std::isfinite(sums.loss)) log_.refuse_loss(sums.loss);
  Metrics metrics;
  const auto add = [&](const char* clean_rl, const char* stable_baselines, double sum, double sign = 1) {
    if (clean_rl != nullptr) metrics[clean_rl] = sum / minibatches;
    metrics[stable_baselines] = sign * sum / minibatches;
  };
  add(nullptr, "train/loss", sums.loss);
  add("losses/policy_loss", "train/policy_gradient_loss", sums.policy_loss);
  add("losses/value_loss", "train/value_loss", sums.value_loss);
  add("losses/entropy", "train/entropy_loss", sums.entropy, -1);
  add("losses/approx_kl", "train/approx_kl", sums.approx_kl);
  add("losses/clipfrac", "train/clip_fraction", sums.clip_fraction);
  metrics["losses/old_approx_kl"] = sums.old_approx_kl / minibatches;
  metrics["charts/learning_rate"] = metrics["train/learning_rate"] = rate;
  return metrics;
}

// One step of the optimizer.
void Ppo::Learner::learn(double rate, const Minibatch& minibatch, PpoLosses& sums) {
  const torch::NoGradGuard no_grad;
  parameters_.gradients().zero_();
  actor_.refresh();
  critic_.refresh();
  const torch::Tensor output = actor_.forward(minibatch.observations), values = critic_.forward(minibatch.observations);
  const detail::PpoGradients gradients =
      detail::ppo_loss(*network_, output, values.squeeze(-1), minibatch, options_, sums);
  actor_.backward(gradients.output);
  critic_.backward(gradients.values.unsqueeze(-1));
  if (gradients.log_std.defined()) network_->log_std.mutable_grad().add_(gradients.log_std);
  parameters_.clip_gradients(options_.max_gradient_norm);
  optimizer_.step(rate);
}

// What a checkpoint consists of; rest: what is no tensor.
train::State Ppo::Learner::state_with(torch::Tensor& rest) {
  train::State state;
  state.add("model", *network_).add("adam_mean", optimizer_.mean).add("adam_square", optimizer_.square);
  state.add("adam_steps", optimizer_.steps).add("run", rest).add("policy", description_);
  if (*options_.normalize_observations) {
    state.add("observation_mean", observation_mean_).add("observation_variance", observation_variance_);
  }
  return state;
}

void Ppo::Learner::save() {
  torch::Tensor rest = detail::to_bytes(collectors_.save_states(), statistics_, log_.progress());
  observation_mean_ = torch::tensor(statistics_.observations.mean, at::kDouble);
  observation_variance_ = torch::tensor(statistics_.observations.variance, at::kDouble);
  train::State state = state_with(rest);
  log_.save(state);
}

void Ppo::Learner::restore(const train::Checkpoint& checkpoint) {
  torch::Tensor rest;
  train::State state = state_with(rest);
  checkpoint.restore(state);
  std::vector<std::string> environments;
  detail::RunLog::Progress progress;
  detail::from_bytes(rest, environments, statistics_, progress);
  collectors_.load_states(environments);
  log_.set_progress(std::move(progress));
}

Ppo::Ppo(EnvironmentSpec environment, PpoOptions options, RunConfig run)
    : learner_(std::make_unique<Learner>(environment, options, run)) {}
Ppo::~Ppo() = default;
Ppo::Ppo(Ppo&&) noexcept = default;
Ppo& Ppo::operator=(Ppo&&) noexcept = default;

TrainingResult Ppo::train() { return learner_->train(); }
Policy& Ppo::policy() { return learner_->policy(); }

}  // namespace manta::rl
