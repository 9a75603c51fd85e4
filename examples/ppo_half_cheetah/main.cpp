// PPO teaches MuJoCo's half cheetah to run, with the defaults for continuous actions, which are CleanRL's.
//
//   build/release/bin/ppo_half_cheetah --steps 8192
//
// prints
//
//   #/8192 steps  ep_rew_mean #  ep_len_mean 1000.00  # steps/s
//   ...
//   #/8192 steps  ep_rew_mean #  ep_len_mean 1000.00  # steps/s
//   trained: mean return # in the last 100 episodes, after # steps and # s
//   played:  mean return # in 10 episodes
//
// and where its curves are. Without --steps it makes a million steps, which takes a minute. It can be killed, and goes
// on with --name and --resume.

#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

#include <manta/rl.h>

namespace {

struct Options {
  manta::rl::PpoOptions ppo{.num_envs = 1, .total_steps = 1'000'000};
  manta::rl::RunConfig run;
  std::string out = "manta_results";
};

void train(Options& options) {
  options.run.storage_path = options.out;
  options.run.checkpoint_every = 50;
  manta::rl::Ppo ppo("HalfCheetah-v5", options.ppo, options.run);
  const manta::rl::TrainingResult result = ppo.train();
  std::printf("trained: mean return %.1f in the last 100 episodes, after %lld steps and %.1f s\n", result.mean_return,
              static_cast<long long>(result.steps), result.time.count());
  const manta::rl::Evaluation played = manta::rl::evaluate(ppo.policy(), "HalfCheetah-v5", {.episodes = 10});
  std::printf("played:  mean return %.1f in 10 episodes\n", played.mean_return);
  std::fprintf(stderr, "curves:  tensorboard --logdir %s\n", result.folder.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("PPO teaches MuJoCo's half cheetah to run.");
  app.option_defaults()->always_capture_default();
  app.add_option("--steps", options.ppo.total_steps, "Steps of environments")->check(CLI::PositiveNumber);
  app.add_option("--envs", *options.ppo.num_envs, "Environments stepped together, for 2048 steps each")
      ->check(CLI::Range(1, 1024));
  app.add_option("--actors", options.run.num_rollout_actors, "Processes that collect; 0: this one")
      ->check(CLI::Range(0, 256));
  app.add_option("--seed", options.ppo.seed, "Of everything random");
  app.add_option("--out", options.out,
                 "Folder for runs, each a folder with checkpoint, TensorBoard log, result.json and progress.csv");
  app.add_option("--name", options.run.name, "Of this run's folder; else the date and the time");
  app.add_flag("--resume", options.run.resume, "Go on from the latest checkpoint of the run --name, if it has one");
  app.add_flag("!--cut-off", options.ppo.bootstrap_truncated,
               "Count the end of an episode by its limit as CleanRL does: nothing comes after it");
  CLI11_PARSE(app, argc, argv);

  try {
    auto runtime = manta::init(argc, argv);
    train(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ppo_half_cheetah: %s\n", error.what());
    return 1;
  }
  return 0;
}
