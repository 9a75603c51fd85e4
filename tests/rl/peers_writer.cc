// peers_writer FOLDER: two short runs with their logs in FOLDER/ppo and FOLDER/dqn, for peers_test.py to read.
#include <manta/rl.h>

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv, {.num_cpus = 1});
  if (argc != 2) return 2;
  manta::rl::RunConfig run;
  run.storage_path = argv[1];
  run.show_progress = false;
  run.name = "ppo";
  manta::rl::PpoOptions ppo;
  ppo.total_steps = 4096;
  const auto trained = manta::rl::Ppo("CartPole-v1", ppo, run).train();
  run.name = "dqn";
  manta::rl::DqnOptions dqn;
  dqn.total_steps = 3000;
  dqn.learning_starts = 500;
  (void)manta::rl::Dqn("CartPole-v1", dqn, run).train();
  return trained.episodes > 0 ? 0 : 1;
}
