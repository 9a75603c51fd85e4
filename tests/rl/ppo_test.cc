// PPO with real environments, actors and deaths.
#include <random>
#include <stdexcept>

#include <gmock/gmock.h>

#include "tests/rl/environments.h"
#include "tests/rl/training.h"

namespace {

namespace rl = manta::rl;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;

// The settings of examples/ppo_cartpole.
rl::PpoOptions cart_pole() {
  return {.num_envs = 16, .num_steps = 64, .seed = 1, .stop_at_return = 475, .learning_rate = 2e-3};
}

rl::PpoOptions few_iterations() {
  rl::PpoOptions options = cart_pole();
  options.num_envs = 6;
  options.num_steps = 16;
  options.total_steps = 10 * *options.num_envs * *options.num_steps;
  return options;
}

using Ppo = Training;

TEST_F(Ppo, LearnsCartPoleAndItsPolicyKeepsThePoleUp) {
  rl::Ppo ppo("CartPole-v1", cart_pole(), quiet());
  const rl::TrainingResult result = ppo.train();
  EXPECT_TRUE(result.reached_return);
  EXPECT_GE(result.mean_return, 475);
  EXPECT_LT(result.steps, 500'000);
  EXPECT_GE(result.episodes, 100);
  EXPECT_TRUE(result.folder.empty());
  const rl::Evaluation played = rl::evaluate(ppo.policy(), "CartPole-v1", {.episodes = 30});
  EXPECT_EQ(played.returns.size(), 30U);
  EXPECT_GE(played.mean_return, 475);
  EXPECT_EQ(played.mean_length, played.mean_return);
}

TEST_F(Ppo, LearnsWithTheSettingsOfCleanRl) {
  const rl::PpoOptions options{.stop_at_return = 400, .learning_rate = 2.5e-4};
  EXPECT_TRUE(rl::Ppo("CartPole-v1", options, quiet()).train().reached_return);
}

TEST_F(Ppo, LearnsToSwingAPendulum) {
  // With the defaults. Seeds 1 to 6 need 73,000 to 88,000 steps; a pendulum that hangs gets less than -1,000.
  rl::Ppo ppo("Pendulum-v1", {.stop_at_return = -300}, quiet());
  EXPECT_TRUE(ppo.train().reached_return);
  EXPECT_GT(rl::evaluate(ppo.policy(), "Pendulum-v1", {.episodes = 20}).mean_return, -400) << "with frozen statistics";
}

TEST_F(Ppo, ChoosesOptionsThatAreNotSetByTheActions) {
  const rl::ActionSpace choice = rl::Discrete{2}, numbers = rl::Box{{-1}, {1}};
  rl::PpoOptions discrete = rl::PpoOptions{}.resolved_for(choice), box = rl::PpoOptions{}.resolved_for(numbers);
  EXPECT_EQ(discrete.num_envs, 4);
  EXPECT_EQ(discrete.normalize_observations, false);
  EXPECT_EQ(discrete.entropy_coefficient, 0.01);
  EXPECT_EQ(box.num_envs, 1);
  EXPECT_EQ(box.num_steps, 2048);
  EXPECT_EQ(box.num_minibatches, 32);
  EXPECT_EQ(box.update_epochs, 10);
  EXPECT_EQ(box.learning_rate, 3e-4);
  EXPECT_EQ(box.entropy_coefficient, 0);
  EXPECT_EQ(box.normalize_observations, true);
  EXPECT_EQ(box.normalize_rewards, true);
  const rl::PpoOptions set{.num_envs = 3, .entropy_coefficient = 0.5, .normalize_rewards = false};
  for (const rl::ActionSpace& actions : {choice, numbers}) {
    const rl::PpoOptions resolved = set.resolved_for(actions);
    EXPECT_EQ(resolved.num_envs, 3);
    EXPECT_EQ(resolved.entropy_coefficient, 0.5);
    EXPECT_EQ(resolved.normalize_rewards, false);
  }
}

TEST_F(Ppo, LearnsInAnEnvironmentOfOnesOwnInActors) {
  rl::PpoOptions options = cart_pole();
  options.total_steps = 60'000;
  options.stop_at_return = 0.9;
  rl::Ppo ppo(rl::environment<Corridor>(), options, quiet(2));
  EXPECT_TRUE(ppo.train().reached_return);
  EXPECT_NEAR(rl::evaluate(ppo.policy(), rl::environment<Corridor>(), {.episodes = 20}).mean_return, 0.93, 0.05);
}

TEST_F(Ppo, TheSameSeedGivesTheSameCurveWithAnyNumberOfActors) {
  std::vector<Curve> curves;
  for (const int actors : {0, 0, 1, 4}) {
    rl::RunConfig config = quiet(actors);
    record(config, curves.emplace_back());
    (void)rl::Ppo("CartPole-v1", few_iterations(), config).train();
    ASSERT_EQ(curves.back().size(), 10U);
    EXPECT_EQ(curves.back(), curves.front()) << actors << " actors";
  }
  rl::PpoOptions another = few_iterations();
  another.seed = 2;
  rl::RunConfig config = quiet();
  record(config, curves.emplace_back());
  (void)rl::Ppo("CartPole-v1", another, config).train();
  EXPECT_NE(curves.back(), curves.front());
}

TEST_F(Ppo, AResumedRunGoesOnToTheBit) {
  for (const int actors : {0, 1, 2}) {
    for (const std::string id : {"CartPole-v1", "Pendulum-v1"}) {
      rl::PpoOptions options = few_iterations();
      options.normalize_observations = options.normalize_rewards = id == "Pendulum-v1";
      Curve whole, first, second;
      rl::RunConfig config = quiet(actors);
      record(config, whole);
      (void)rl::Ppo(id, options, config).train();

      config = run(id + std::to_string(actors), actors);
      config.checkpoint_every = 3;
      record(config, first);
      config.on_report = [record_it = config.on_report, &first](const rl::Report& report) {
        record_it(report);
        if (first.size() == 5) throw std::runtime_error("the power is gone");
      };
      EXPECT_THROW((void)rl::Ppo(id, options, config).train(), std::runtime_error);
      EXPECT_THROW(rl::Ppo(id, options, config), manta::Error) << "a folder with checkpoints";
      config.resume = true;
      record(config, second);
      const rl::TrainingResult result = rl::Ppo(id, options, config).train();
      ASSERT_EQ(second.size(), 7U) << "from the checkpoint of the third iteration";
      EXPECT_EQ(second, Curve(whole.begin() + 3, whole.end())) << id << ", " << actors << " actors";
      EXPECT_EQ(result.steps, options.total_steps);
      EXPECT_EQ(result.checkpoint->step(), options.total_steps);
    }
  }
}

// Actors die between two rounds and in the midst of a step; the training comes to its end.
TEST_F(Ppo, KilledActorsAreReplacedAndTheLearningGoesOn) {
  DyingCartPole dying;
  std::filesystem::create_directories(storage_);
  dying.prefix = (storage_ / "death").string();
  dying.each = 333;
  dying.deaths = 4;
  std::mt19937 random(7);
  rl::RunConfig config = run("killed", 3);
  int killed = 0;
  config.on_report = [&](const rl::Report& report) {
    ASSERT_EQ(report.rollout_processes.size(), 3U);
    if (report.iteration % 15 != 1 || killed == 4) return;
    ++killed;
    ::kill(static_cast<pid_t>(report.rollout_processes[random() % 3]), SIGKILL);
  };
  rl::PpoOptions options = cart_pole();
  options.total_steps = 600'000;
  rl::Ppo ppo(rl::environment<DyingCartPole>({}, dying), options, config);
  const rl::TrainingResult result = ppo.train();
  EXPECT_TRUE(result.reached_return);
  EXPECT_EQ(killed, 4);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(std::filesystem::exists(dying.prefix + "." + std::to_string(i)));
  EXPECT_GE(result.replaced_actors, 4) << "several deaths of one actor in a round count once";
  EXPECT_LE(result.replaced_actors, 8);
}

TEST_F(Ppo, AnActorThatAlwaysDiesEndsTheTraining) {
  DyingCartPole dying;
  std::filesystem::create_directories(storage_);
  dying.prefix = (storage_ / "death").string();
  dying.deaths = 1000;
  rl::RunConfig config = quiet(1);
  config.max_actor_restarts = 2;
  rl::Ppo ppo(rl::environment<DyingCartPole>({}, dying), few_iterations(), config);
  try {
    (void)ppo.train();
    FAIL() << "it went on";
  } catch (const manta::Error& error) {
    EXPECT_EQ(error.code(), manta::ErrorCode::actor_died);
    EXPECT_THAT(error.what(), HasSubstr("RunConfig::max_actor_restarts"));
  }
}

TEST_F(Ppo, SaysWhatIsWrong) {
  const auto refused = [&](const rl::PpoOptions& options, const rl::RunConfig& config, const char* what) {
    try {
      rl::Ppo("CartPole-v1", options, config);
      FAIL() << "it took " << what;
    } catch (const manta::Error& error) {
      EXPECT_EQ(error.code(), manta::ErrorCode::invalid_argument);
      EXPECT_THAT(error.what(), HasSubstr(what));
    }
  };
  refused({.num_envs = 0}, quiet(), "num_envs");
  refused({.num_envs = 3, .num_steps = 5, .num_minibatches = 4}, quiet(), "minibatches");
  refused({.num_envs = 2}, quiet(3), "num_rollout_actors");
  EXPECT_THROW(rl::Ppo("NoSuch-v0", {}, quiet()), manta::Error);
  rl::Ppo ppo("CartPole-v1", few_iterations(), quiet());
  EXPECT_THROW((void)rl::evaluate(ppo.policy(), "Pendulum-v1"), manta::Error);
  EXPECT_THROW((void)ppo.policy().act(torch::zeros({1, 3})), manta::Error);
}

}  // namespace
