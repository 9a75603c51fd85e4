// PPO learns to keep a pole up, from nothing to a mean return of 475 (of 500), and is then tried on episodes of its
// own.
//
//   build/release/bin/ppo_cartpole
//
// prints
//
//   #/500000 steps  ep_rew_mean #  ep_len_mean #  # steps/s
//   #/500000 steps  ep_rew_mean #  ep_len_mean #  # steps/s
//   trained: mean return # in the last 100 episodes, after # steps and # s
//   played:  mean return # in 100 episodes
//
// On a terminal the first lines are a table that is rewritten in place.

#include <cstdio>

#include <manta/rl.h>

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);

  // CleanRL's settings but for these. Steps are so cheap that the learner's own process collects them best;
  // RunConfig::num_rollout_actors = 2 would do it in processes of their own, with the same result.
  const manta::rl::PpoOptions options{
      .num_envs = 16, .num_steps = 64, .seed = 1, .stop_at_return = 475, .learning_rate = 2e-3};
  manta::rl::RunConfig run;
  run.storage_path.clear();  // no checkpoint, no curves
  manta::rl::Ppo ppo("CartPole-v1", options, run);
  const manta::rl::TrainingResult result = ppo.train();
  std::printf("trained: mean return %.1f in the last 100 episodes, after %lld steps and %.2f s\n", result.mean_return,
              static_cast<long long>(result.steps), result.time.count());

  const manta::rl::Evaluation played = manta::rl::evaluate(ppo.policy(), "CartPole-v1", {.episodes = 100});
  std::printf("played:  mean return %.1f in 100 episodes\n", played.mean_return);
  return result.reached_return && played.mean_return >= 475 ? 0 : 1;
}
