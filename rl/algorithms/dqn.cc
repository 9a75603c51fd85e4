// DQN: act, remember, learn from what is remembered.
#include <manta/rl/dqn.h>

#include <algorithm>
#include <cmath>
#include <string>

#include <ATen/CPUGeneratorImpl.h>

#include <manta/detail/check_option.h>
#include <manta/error.h>
#include <manta/rl/replay_buffer.h>

#include "rl/algorithms/actor_critic_policy.h"
#include "rl/algorithms/q_policy.h"
#include "rl/algorithms/snapshot.h"
#include "rl/log/run_log.h"
#include "rl/policy/adam.h"
#include "rl/policy/mlp_pass.h"
#include "rl/policy/thread_count.h"
#include "rl/rollout/sampling.h"
#include "rl/vector_env/check_numbers.h"

namespace manta::rl {
namespace {

void check(const DqnOptions& options, const ActionSpace& actions, const RunConfig& run) {
  const auto refuse = [](const std::string& what) { throw Error(ErrorCode::invalid_argument, "DqnOptions: " + what); };
  if (!std::holds_alternative<Discrete>(actions)) refuse("the environment's actions are not Discrete. Next: use Ppo.");
  if (run.num_rollout_actors != 0)
    refuse("RunConfig::num_rollout_actors is not 0, but the learner collects. Next: give 0.");
  manta::detail::check_option("DqnOptions::num_envs", static_cast<double>(options.num_envs), 1);
  manta::detail::check_option("DqnOptions::total_steps", static_cast<double>(options.total_steps), 1);
  if (options.stop_at_return)
    manta::detail::check_option("DqnOptions::stop_at_return", *options.stop_at_return, -manta::detail::kNoBound);
  manta::detail::check_option("DqnOptions::replay_capacity", static_cast<double>(options.replay_capacity), 1);
  manta::detail::check_option("DqnOptions::learning_starts", static_cast<double>(options.learning_starts), 0);
  manta::detail::check_option("DqnOptions::train_frequency", static_cast<double>(options.train_frequency), 1);
  manta::detail::check_option("DqnOptions::target_frequency", static_cast<double>(options.target_frequency), 1);
  manta::detail::check_positive("DqnOptions::target_rate", options.target_rate);
  manta::detail::check_option("DqnOptions::target_rate", options.target_rate, 0, 1);
  manta::detail::check_option("DqnOptions::batch_size", static_cast<double>(options.batch_size), 1);
  manta::detail::check_option("DqnOptions::n_step", static_cast<double>(options.n_step), 1);
  manta::detail::check_positive("DqnOptions::learning_rate", options.learning_rate);
  manta::detail::check_option("DqnOptions::gamma", options.gamma, 0, 1);
  manta::detail::check_option("DqnOptions::start_epsilon", options.start_epsilon, 0, 1);
  manta::detail::check_option("DqnOptions::end_epsilon", options.end_epsilon, 0, 1);
  manta::detail::check_positive("DqnOptions::exploration_fraction", options.exploration_fraction);
  if (options.max_gradient_norm)
    manta::detail::check_positive("DqnOptions::max_gradient_norm", *options.max_gradient_norm);
  manta::detail::check_option("DqnOptions::report_steps", static_cast<double>(options.report_steps), 1);
  for (const std::int64_t size : options.network.hidden_sizes)
    manta::detail::check_option("DqnOptions::network.hidden_sizes", static_cast<double>(size), 1);
}

Mlp make_network(const VectorEnv& envs, const DqnOptions& options) {
  const detail::ThreadCount threads(1);
  return Mlp(static_cast<std::int64_t>(envs.observation_size()), std::get<Discrete>(envs.action_space()).n, 1.0,
             options.network, at::make_generator<at::CPUGeneratorImpl>(options.seed));
}

// Whether a multiple of `each` lies in (before, after].
bool passes(std::int64_t before, std::int64_t after, std::int64_t each) { return after / each > before / each; }

}  // namespace

class Dqn::Learner {
 public:
  Learner(const EnvironmentSpec& environment, const DqnOptions& options, const RunConfig& run);

  TrainingResult train();
  Policy& policy() { return policy_; }

 private:
  double epsilon(std::int64_t steps) const;
  double learning_rate() const;
  void choose();
  void step();
  void learn();
  void report();
  train::State state_with(torch::Tensor& rest);
  void save();
  void restore(const train::Checkpoint& checkpoint);

  DqnOptions options_;
  std::unique_ptr<VectorEnv> envs_;
  Mlp network_, target_;
  detail::FlatParameters parameters_, target_parameters_;
  detail::MlpPass values_, target_values_;
  detail::Adam optimizer_;
  ReplayBuffer replay_;
  detail::QPolicy policy_;
  detail::RunLog log_;
  std::int64_t steps_ = 0;
  Rng rng_;                                                     // of the samples
  std::vector<float> observations_, next_, came_to_, rewards_;  // came_to_: before the environment was reset
  std::vector<std::uint8_t> terminated_, truncated_;
  std::vector<std::int64_t> actions_;
  std::vector<float> outputs_;
  std::string description_ = detail::text_of(policy_.description());  // for load_policy()
  double loss_ = 0, mean_value_ = 0;                                  // sums since the last report
  std::int64_t updates_ = 0, updates_in_report_ = 0;
};

Dqn::Learner::Learner(const EnvironmentSpec& environment, const DqnOptions& options, const RunConfig& run)
    : options_(options),
      envs_(std::make_unique<detail::CheckNumbers>(
          environment.make(static_cast<std::size_t>(std::max<std::int64_t>(options.num_envs, 1))))),
      network_((check(options, envs_->action_space(), run), make_network(*envs_, options))),
      target_(make_network(*envs_, options)),
      parameters_(*network_),
      target_parameters_(*target_),
      values_(network_),
      target_values_(target_),
      optimizer_(parameters_, 1e-8),
      replay_({options.replay_capacity, options.num_envs, static_cast<std::int64_t>(envs_->observation_size()),
               options.n_step, options.gamma}),
      policy_(envs_->observation_space(), envs_->action_space(), options.network, network_, options.end_epsilon),
      log_(run, "dqn", options.total_steps),
      rng_(options.seed) {
  const std::size_t count = envs_->num_envs(), width = envs_->observation_size();
  for (auto* rows : {&observations_, &next_, &came_to_}) rows->resize(count * width);
  rewards_.resize(count);
  terminated_.resize(count);
  truncated_.resize(count);
  actions_.resize(count);
  outputs_.resize(count * static_cast<std::size_t>(std::get<Discrete>(envs_->action_space()).n));
  if (const auto checkpoint = log_.to_resume()) {
    restore(*checkpoint);
  } else {
    envs_->reset(options_.seed, observations_);
  }
  values_.refresh();
  target_values_.refresh();
}

TrainingResult Dqn::Learner::train() {
  const detail::ThreadCount threads(1);
  const torch::NoGradGuard no_grad;
  log_.start();
  bool saved = true;
  while (steps_ < options_.total_steps && !log_.reached(options_.stop_at_return)) {
    const std::int64_t before = steps_;
    step();
    if (steps_ > options_.learning_starts) {
      if (passes(before, steps_, options_.train_frequency)) learn();
      if (passes(before, steps_, options_.target_frequency)) {
        target_parameters_.values().lerp_(parameters_.values(), options_.target_rate);
        target_values_.refresh();
      }
    }
    saved = false;
    if (!passes(before, steps_, options_.report_steps)) continue;
    report();
    saved = log_.checkpoint_is_due();
    if (saved) save();
  }
  if (!saved) {
    if (log_.progress().steps != steps_) report();
    save();
  }
  return log_.finish(options_.stop_at_return);
}

double Dqn::Learner::epsilon(std::int64_t steps) const {
  const double done =
      static_cast<double>(steps) / (options_.exploration_fraction * static_cast<double>(options_.total_steps));
  return options_.start_epsilon + std::min(done, 1.0) * (options_.end_epsilon - options_.start_epsilon);
}

double Dqn::Learner::learning_rate() const {
  if (!options_.anneal_learning_rate) return options_.learning_rate;
  const double done = static_cast<double>(steps_) / static_cast<double>(options_.total_steps);
  return options_.learning_rate * std::max(1 - done, 0.0);
}

void Dqn::Learner::choose() {
  const std::size_t n = outputs_.size() / actions_.size();
  values_.forward(observations_.data(), options_.num_envs, outputs_.data());
  for (std::size_t env = 0; env < actions_.size(); ++env) {
    const detail::StepNoise noise(options_.seed, env, static_cast<std::uint64_t>(steps_ / options_.num_envs));
    const auto* row = outputs_.data() + env * n;
    actions_[env] = noise.uniform(0) < epsilon(steps_)
                        ? static_cast<std::int64_t>(noise.uniform(1) * static_cast<double>(n))
                        : std::max_element(row, row + n) - row;
  }
}

void Dqn::Learner::step() {
  choose();
  envs_->step(std::span<const std::int64_t>(actions_), {next_, rewards_, terminated_, truncated_, came_to_});
  const std::size_t width = envs_->observation_size();
  for (std::size_t env = 0; env < actions_.size(); ++env) {
    if (terminated_[env] == 0 && truncated_[env] == 0)
      std::copy_n(next_.data() + env * width, width, came_to_.data() + env * width);
  }
  replay_.add({observations_, actions_, rewards_, came_to_, terminated_, truncated_});
  std::swap(observations_, next_);
  steps_ += options_.num_envs;
  for (const EpisodeStatistics& episode : envs_->finished_episodes())
    log_.episode(steps_, episode.episode_return, episode.length);
}

void Dqn::Learner::learn() {
  const Transitions batch = replay_.sample(options_.batch_size, rng_);
  const torch::Tensor next = target_values_.forward(batch.next_observations);
  const torch::Tensor best = (options_.double_dqn ? values_.forward(batch.next_observations) : next).argmax(-1, true);
  const torch::Tensor wanted = batch.rewards + batch.discounts * next.gather(-1, best).squeeze(-1);

  const torch::Tensor values = values_.forward(batch.observations);
  const torch::Tensor chosen = batch.actions.unsqueeze(-1);
  const torch::Tensor value = values.gather(-1, chosen).squeeze(-1), error = value - wanted;
  const torch::Tensor slope = options_.huber_loss ? error.clamp(-1, 1) : 2 * error;
  const torch::Tensor losses = options_.huber_loss ? slope * (error - 0.5 * slope) : error.square();
  parameters_.gradients().zero_();
  values_.backward(
      at::zeros_like(values).scatter_(-1, chosen, slope.unsqueeze(-1) / static_cast<double>(options_.batch_size)));
  if (options_.max_gradient_norm) parameters_.clip_gradients(*options_.max_gradient_norm);
  optimizer_.step(learning_rate());
  values_.refresh();
  const double loss = losses.mean().item<double>();
  if (!std::isfinite(loss)) log_.refuse_loss(loss);
  loss_ += loss;
  mean_value_ += value.mean().item<double>();
  ++updates_;
  ++updates_in_report_;
}

void Dqn::Learner::report() {
  Metrics metrics{{"charts/epsilon", epsilon(steps_)}, {"rollout/exploration_rate", epsilon(steps_)}};
  metrics["charts/learning_rate"] = metrics["train/learning_rate"] = learning_rate();
  metrics["train/n_updates"] = static_cast<double>(updates_);
  if (updates_in_report_ > 0) {
    const auto count = static_cast<double>(updates_in_report_);
    metrics["losses/td_loss"] = metrics["train/loss"] = loss_ / count;
    metrics["losses/q_values"] = mean_value_ / count;
  }
  loss_ = mean_value_ = 0;
  updates_in_report_ = 0;
  log_.iteration(steps_, std::move(metrics));
}

// What a checkpoint consists of; rest: what is no tensor.
train::State Dqn::Learner::state_with(torch::Tensor& rest) {
  train::State state;
  state.add("model", *network_).add("target", target_parameters_.values());
  state.add("adam_mean", optimizer_.mean).add("adam_square", optimizer_.square).add("adam_steps", optimizer_.steps);
  ReplayBuffer::Contents& replay = replay_.contents();
  state.add("replay_observations", replay.observations).add("replay_next_observations", replay.next_observations);
  state.add("replay_actions", replay.actions).add("replay_rewards", replay.rewards).add("replay_ends", replay.ends);
  state.add("replay_next", replay_.next()).add("replay_steps", replay_.steps());
  return std::move(state.add("steps", steps_).add("updates", updates_).add("run", rest).add("policy", description_));
}

void Dqn::Learner::save() {
  torch::Tensor rest = detail::to_bytes(envs_->save_state(), observations_, rng_, log_.progress());
  log_.save(state_with(rest));
}

void Dqn::Learner::restore(const train::Checkpoint& checkpoint) {
  torch::Tensor rest;
  train::State state = state_with(rest);
  checkpoint.restore(state);
  std::string environments;
  detail::RunLog::Progress progress;
  detail::from_bytes(rest, environments, observations_, rng_, progress);
  envs_->load_state(environments);
  log_.set_progress(std::move(progress));
}

Dqn::Dqn(EnvironmentSpec environment, DqnOptions options, RunConfig run)
    : learner_(std::make_unique<Learner>(environment, options, run)) {}
Dqn::~Dqn() = default;
Dqn::Dqn(Dqn&&) noexcept = default;
Dqn& Dqn::operator=(Dqn&&) noexcept = default;

TrainingResult Dqn::train() { return learner_->train(); }
Policy& Dqn::policy() { return learner_->policy(); }

}  // namespace manta::rl
