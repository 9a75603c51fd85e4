#include <stdexcept>

#include <gmock/gmock.h>

#include "tests/rl/environments.h"
#include "tests/rl/training.h"

namespace {

namespace rl = manta::rl;
using ::testing::HasSubstr;

using Dqn = Training;

rl::DqnOptions cart_pole() {
  rl::DqnOptions options{.num_envs = 4, .seed = 1, .total_steps = 200'000};
  options.replay_capacity = 50'000;
  options.learning_starts = 1'000;
  options.train_frequency = 4;
  options.batch_size = 64;
  options.learning_rate = 1e-3;
  options.anneal_learning_rate = false;
  options.max_gradient_norm = 10;
  options.exploration_fraction = 0.1;
  options.end_epsilon = 0.02;
  options.n_step = 3;
  return options;
}

TEST_F(Dqn, LearnsCartPole) {
  rl::DqnOptions options = cart_pole();
  options.stop_at_return = 400;
  rl::Dqn dqn("CartPole-v1", options, quiet());
  const rl::TrainingResult result = dqn.train();
  EXPECT_TRUE(result.reached_return);
  EXPECT_GE(rl::evaluate(dqn.policy(), "CartPole-v1", {.episodes = 20}).mean_return, 400);
}

TEST_F(Dqn, LearnsAlsoWithoutItsAdditions) {
  rl::DqnOptions options = cart_pole();
  options.double_dqn = options.huber_loss = false;
  options.n_step = 1;
  options.total_steps = 60'000;
  options.stop_at_return = 0.85;
  rl::Dqn dqn(rl::environment<Corridor>(), options, quiet());
  EXPECT_TRUE(dqn.train().reached_return);
}

TEST_F(Dqn, AResumedRunGoesOnToTheBit) {
  rl::DqnOptions options = cart_pole();
  options.total_steps = 6'000;
  options.report_steps = 1'000;
  Curve whole, first, second;
  rl::RunConfig config = quiet();
  record(config, whole);
  (void)rl::Dqn("CartPole-v1", options, config).train();
  ASSERT_EQ(whole.size(), 6U);

  config = run("dqn");
  config.checkpoint_every = 2;
  record(config, first);
  config.on_report = [record_it = config.on_report, &first](const rl::Report& report) {
    record_it(report);
    if (first.size() == 3) throw std::runtime_error("the power is gone");
  };
  EXPECT_THROW((void)rl::Dqn("CartPole-v1", options, config).train(), std::runtime_error);
  config.resume = true;
  record(config, second);
  (void)rl::Dqn("CartPole-v1", options, config).train();
  EXPECT_EQ(second, Curve(whole.begin() + 2, whole.end()));
}

TEST_F(Dqn, SaysWhatIsWrong) {
  try {
    rl::Dqn("Pendulum-v1", {}, quiet());
    FAIL() << "it took a Box";
  } catch (const manta::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("use Ppo"));
  }
  EXPECT_THROW(rl::Dqn("CartPole-v1", {}, quiet(1)), manta::Error);
}

}  // namespace
