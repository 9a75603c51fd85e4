// PPO on CartPole until the mean return of the last 100 training episodes is 475, as ray_rl.py of the peers measures
// it: from the start of train(), the building left out. For each seed one line: seconds, steps, the mean return.
//
//   ppo_training tuned|sb3 SEEDS
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <manta/rl.h>

namespace {

// The settings of examples/ppo_cartpole.
manta::rl::PpoOptions tuned() { return {.num_envs = 16, .num_steps = 64, .learning_rate = 2e-3}; }

// What ray_rl.py gives Stable-Baselines3 (its zoo's settings), but that the clipping is not annealed.
manta::rl::PpoOptions sb3() {
  manta::rl::PpoOptions options{.num_envs = 8, .num_steps = 32, .num_minibatches = 1, .update_epochs = 20};
  options.total_steps = 1'000'000;
  options.learning_rate = 1e-3;
  options.gamma = 0.98;
  options.gae_lambda = 0.8;
  options.entropy_coefficient = 0;
  options.clip_value_loss = false;
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  if (argc != 3) return 2;
  manta::rl::PpoOptions options = std::strcmp(argv[1], "sb3") == 0 ? sb3() : tuned();
  options.stop_at_return = 475;
  manta::rl::RunConfig run;
  run.storage_path.clear();
  run.show_progress = false;
  for (options.seed = 1; options.seed <= std::strtoull(argv[2], nullptr, 10); ++options.seed) {
    const manta::rl::TrainingResult result = manta::rl::Ppo("CartPole-v1", options, run).train();
    std::printf("%.6f %ld %.2f\n", result.time.count(), static_cast<long>(result.steps), result.mean_return);
  }
}
