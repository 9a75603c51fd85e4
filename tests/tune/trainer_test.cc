// A trial that is a Trainer: its workers take the CPUs, its checkpoints outlive the death of the trial's process.
#include <signal.h>

#include <fstream>

#include <gmock/gmock.h>

#include <manta/tune.h>

#include "tests/support/folder.h"
#include "tests/train/training.h"

namespace {

namespace train = manta::train;
namespace tune = manta::tune;
namespace fs = std::filesystem;

struct Config {
  double rate = 0;
};
Config rates(tune::Space& space) { return {space.grid("rate", {0.01, 0.05})}; }

double trained(tune::Trial& trial, const Config& config, const Images& images, bool dies) {
  Course course{.steps = 12, .checkpoint_each = 4, .learning_rate = config.rate};
  course.dies_at = dies ? 6 : -1;  // a worker of the training, too
  double loss = 0;
  train::RunConfig run{.name = "train", .storage_path = trial.folder(), .resume = true};
  run.on_report = [&](const train::Report& report) {
    loss = report.metrics.at("loss");
    trial.report({{"training_iteration", report.metrics.at("step")}, {"loss", loss}});
    if (dies && trial.attempt() == 1 && trial.number() == 1 && report.metrics.at("step") == 9) ::raise(SIGKILL);
  };
  (void)train::Trainer<train_small>({.num_workers = 2}, run).fit(course, images);
  return loss;
}

class TrainerTrial : public FolderTest {
 protected:
  tune::Results<Config> search(const char* name, bool dies) {
    return tune::Tuner<rates, trained>({.metric = "loss", .cpus_per_trial = 0, .max_concurrent_trials = 1},
                                       {.name = name, .storage_path = folder_, .verbose = false})
        .fit(images_, dies);
  }
  manta::Ref<Images> images_ = manta::put(made_up_images(200));
};

TEST_F(TrainerTrial, LosesNothingWhenItsProcessDies) {
  const auto undisturbed = search("undisturbed", false);
  const auto disturbed = search("disturbed", true);
  EXPECT_EQ(disturbed.trials().at(1).attempts, 2);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(disturbed.trials()[i].error, "");
    EXPECT_EQ(disturbed.trials()[i].value, undisturbed.trials()[i].value) << "the same to the bit";
    EXPECT_EQ(disturbed.trials()[i].reports.size(), 12U);
    EXPECT_TRUE(fs::exists(disturbed.trials()[i].folder / "train" / "result.json"));
  }
}

}  // namespace
