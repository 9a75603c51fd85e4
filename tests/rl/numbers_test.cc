// Numbers that are none, options that make no sense, environments that hang; and policies without their algorithm.
#include <cmath>
#include <limits>
#include <thread>

#include <gmock/gmock.h>

#include <manta/train/safetensors.h>

#include "tests/rl/training.h"
#include "tests/support/message.h"

namespace {

namespace rl = manta::rl;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Walks until its 40th step, in which one of its numbers is what `kind` says.
struct Spoilt {
  static constexpr std::string_view kId = "Spoilt";
  static constexpr std::int64_t kMaxEpisodeSteps = 100;
  static rl::Box observation_space() { return {{0, 0}, {1, 1}}; }
  static rl::ActionSpace action_space() { return rl::Discrete{2}; }

  void reset(rl::Rng&, std::span<float> observation) {
    steps = 0;
    observation[0] = observation[1] = kind == 3 ? NAN : 0;
  }
  rl::Transition step(std::int64_t, std::span<float> observation) {
    ++steps;
    observation[0] = 0.01F * static_cast<float>(steps);
    observation[1] = steps == 40 && kind == 1 ? INFINITY : 0;
    return {.reward = steps == 40 && kind == 0 ? static_cast<double>(NAN) : 1.0,
            .terminated = steps == 40 && kind == 2};
  }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(kind, steps);
  }

  int kind = 0;
  int steps = 0;
};

rl::EnvironmentSpec spoilt(int kind) {
  Spoilt prototype;
  prototype.kind = kind;
  return rl::environment<Spoilt>({}, prototype);
}

using Numbers = Training;

TEST_F(Numbers, OneThatIsNoneEndsTheRunAndNamesEnvironmentAndStep) {
  const rl::PpoOptions ppo{.num_envs = 4, .num_steps = 64};
  for (const bool normalize : {false, true}) {
    rl::PpoOptions options = ppo;
    options.normalize_observations = options.normalize_rewards = normalize;
    EXPECT_THAT(message_of([&] { (void)rl::Ppo(spoilt(0), options, quiet()).train(); }),
                HasSubstr("Spoilt: the reward of environment 0 is NaN in step 40 of its episode"));
    EXPECT_THAT(message_of([&] { (void)rl::Ppo(spoilt(1), options, quiet()).train(); }),
                HasSubstr("Spoilt: the observation[1] of environment 0 is infinity in step 40"));
  }
  EXPECT_THAT(message_of([&] { (void)rl::Ppo(spoilt(3), ppo, quiet()).train(); }),
              HasSubstr("the observation[0] of environment 0 is NaN after its reset"));
  // Of two actors the second has environments 2 and 3; both fail, the first one's error arrives.
  EXPECT_THAT(message_of([&] { (void)rl::Ppo(spoilt(0), ppo, quiet(2)).train(); }),
              HasSubstr("the reward of environment 0 is NaN in step 40"));
  EXPECT_THAT(message_of([&] { (void)rl::Dqn(spoilt(0), {}, quiet()).train(); }), HasSubstr("is NaN in step 40"));
  rl::Ppo fine(spoilt(2), {.num_envs = 4, .num_steps = 64, .total_steps = 512}, quiet());
  (void)fine.train();
  EXPECT_THAT(message_of([&] { (void)rl::evaluate(fine.policy(), spoilt(1)); }), HasSubstr("infinity in step 40"));
}

// Rewards of a size that no network follows.
struct Huge : Spoilt {
  static constexpr std::string_view kId = "Huge";
  rl::Transition step(std::int64_t action, std::span<float> observation) {
    rl::Transition transition = Spoilt::step(action, observation);
    transition.reward = 3e38;
    return transition;
  }
};

TEST_F(Numbers, ALossThatIsNoneEndsTheRun) {
  Huge prototype;
  prototype.kind = 2;
  const auto huge = rl::environment<Huge>({}, prototype);
  const auto loss = AllOf(HasSubstr("the loss is"), HasSubstr("in iteration "), HasSubstr("learning_rate"));
  EXPECT_THAT(message_of([&] { (void)rl::Ppo(huge, {.num_envs = 4, .num_steps = 64}, quiet()).train(); }), loss);
  EXPECT_THAT(message_of([&] { (void)rl::Dqn(huge, {.learning_starts = 200}, quiet()).train(); }), loss);
}

template <int Kind>
struct Shapeless : Spoilt {
  static constexpr std::string_view kId = "Shapeless";
  static rl::Box observation_space() {
    if (Kind == 0) return {};
    if (Kind == 1) return {{0, 0}, {1}};
    if (Kind == 2) return {{0, NAN}, {1, 1}};
    if (Kind == 3) return {{0, 2}, {1, 1}};
    return {{0, 0}, {1, 1}};
  }
  static rl::ActionSpace action_space() { return rl::Discrete{Kind == 4 ? 0 : 2}; }
};

TEST_F(Numbers, SpacesThatMakeNoSenseAreRefused) {
  EXPECT_THAT(message_of([] { rl::BatchEnv<Shapeless<0>>(1); }), HasSubstr("observation_space() has no numbers"));
  EXPECT_THAT(message_of([] { rl::BatchEnv<Shapeless<1>>(1); }), HasSubstr("different sizes: 2 and 1"));
  EXPECT_THAT(message_of([] { rl::BatchEnv<Shapeless<2>>(1); }), HasSubstr("for number 1"));
  EXPECT_THAT(message_of([] { rl::BatchEnv<Shapeless<3>>(1); }), HasSubstr("the lower one comes first"));
  EXPECT_THAT(message_of([&] { rl::Ppo(rl::environment<Shapeless<4>>(), {}, quiet()); }), HasSubstr("has 0 choices"));
}

TEST_F(Numbers, OptionsThatMakeNoSenseAreNamed) {
  const double nan = NAN;
  const auto ppo = [&](rl::PpoOptions options, rl::RunConfig run) {
    return message_of([&] { rl::Ppo("CartPole-v1", options, run); });
  };
  EXPECT_THAT(ppo({.total_steps = -1}, quiet()), HasSubstr("PpoOptions::total_steps is -1. Next: give 1 or more"));
  EXPECT_THAT(ppo({.stop_at_return = nan}, quiet()), HasSubstr("PpoOptions::stop_at_return is nan"));
  EXPECT_THAT(ppo({.learning_rate = nan}, quiet()), HasSubstr("learning_rate is nan"));
  EXPECT_THAT(ppo({.gamma = 1.5}, quiet()), HasSubstr("gamma is 1.5"));
  EXPECT_THAT(ppo({.clip_coefficient = INFINITY}, quiet()), HasSubstr("clip_coefficient is inf"));
  EXPECT_THAT(ppo({.entropy_coefficient = nan}, quiet()), HasSubstr("entropy_coefficient is nan"));
  EXPECT_THAT(ppo({.value_coefficient = -1}, quiet()), HasSubstr("value_coefficient is -1"));
  EXPECT_THAT(ppo({.target_kl = nan}, quiet()), HasSubstr("target_kl is nan"));
  EXPECT_THAT(ppo({.network = {{64, 0}}}, quiet()), HasSubstr("hidden_sizes is 0"));
  rl::RunConfig run = quiet(-1);
  EXPECT_THAT(ppo({}, run), HasSubstr("RunConfig::num_rollout_actors is -1"));
  run = quiet();
  run.cpus_per_rollout_actor = nan;
  EXPECT_THAT(ppo({}, run), HasSubstr("cpus_per_rollout_actor is nan"));
  run = quiet();
  run.checkpoint_every = -5;
  EXPECT_THAT(ppo({}, run), HasSubstr("checkpoint_every is -5"));
  const auto dqn = [&](rl::DqnOptions options) {
    return message_of([&] { rl::Dqn("CartPole-v1", options, quiet()); });
  };
  EXPECT_THAT(dqn({.total_steps = 0}), HasSubstr("DqnOptions::total_steps is 0"));
  EXPECT_THAT(dqn({.replay_capacity = 0}), HasSubstr("replay_capacity is 0"));
  EXPECT_THAT(dqn({.target_rate = 0}), HasSubstr("target_rate is 0"));
  EXPECT_THAT(dqn({.n_step = 0}), HasSubstr("n_step is 0"));
  EXPECT_THAT(dqn({.start_epsilon = 2}), HasSubstr("start_epsilon is 2"));
}

// Its first step never ends.
struct Hanging : Spoilt {
  static constexpr std::string_view kId = "Hanging";
  rl::Transition step(std::int64_t, std::span<float>) {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
};

TEST_F(Numbers, AnActorThatHangsEndsTheRunAtItsTimeout) {
  rl::RunConfig run = quiet(1);
  run.rollout_timeout = std::chrono::seconds(1);
  rl::Ppo ppo(rl::environment<Hanging>(), {}, run);
  EXPECT_THAT(message_of([&] { (void)ppo.train(); }),
              AllOf(HasSubstr("rollout actor 0 has not finished its part of a rollout for 1 s"),
                    HasSubstr("RunConfig::rollout_timeout")));
}

using Policies = Training;

void expect_same_actions(rl::Policy& one, rl::Policy& other, const std::string& id) {
  const torch::Tensor observations = torch::randn({20, static_cast<std::int64_t>(one.observation_space().size())});
  EXPECT_TRUE(torch::equal(one.act(observations), other.act(observations)));
  EXPECT_EQ(rl::evaluate(one, id, {.episodes = 5}).returns, rl::evaluate(other, id, {.episodes = 5}).returns);
}

TEST_F(Policies, AreLoadedFromAFileACheckpointOrARunWithoutTheirAlgorithm) {
  rl::PpoOptions options{.num_envs = 4, .num_steps = 64, .total_steps = 1024};
  options.normalize_observations = true;
  options.network = {{16}, rl::Activation::relu};
  for (const std::string id : {"Pendulum-v1", "CartPole-v1"}) {
    rl::Ppo ppo(id, options, run(id));
    const auto checkpoint = ppo.train().checkpoint;
    ppo.policy().save(storage_ / "policy.safetensors");
    for (const auto& path : {storage_ / "policy.safetensors", storage_ / id, checkpoint->folder()}) {
      const auto loaded = rl::load_policy(path);
      EXPECT_EQ(loaded->observation_space().high, ppo.policy().observation_space().high);
      expect_same_actions(*loaded, ppo.policy(), id);
    }
  }
  rl::Dqn dqn("CartPole-v1", {.total_steps = 2'000, .learning_starts = 100}, run("dqn"));
  (void)dqn.train();
  expect_same_actions(*rl::load_policy(storage_ / "dqn"), dqn.policy(), "CartPole-v1");
  dqn.policy().save(storage_ / "q.safetensors");
  expect_same_actions(*rl::load_policy(storage_ / "q.safetensors"), dqn.policy(), "CartPole-v1");
}

TEST_F(Policies, WhatHoldsNoneIsRefused) {
  std::filesystem::create_directories(storage_ / "empty");
  manta::train::save_safetensors(storage_ / "tensors", {{"a", torch::zeros({1})}});
  manta::train::save_safetensors(storage_ / "other", {}, {{"manta.policy", "{}"}});
  EXPECT_THAT(message_of([&] { (void)rl::load_policy(storage_ / "nowhere"); }), HasSubstr("nowhere"));
  EXPECT_THAT(message_of([&] { (void)rl::load_policy(storage_ / "empty"); }), HasSubstr("has no checkpoint"));
  EXPECT_THAT(message_of([&] { (void)rl::load_policy(storage_ / "tensors"); }),
              HasSubstr("holds tensors but no policy"));
  EXPECT_THAT(message_of([&] { (void)rl::load_policy(storage_ / "other"); }),
              HasSubstr("not as Policy::save writes it"));
}

}  // namespace
