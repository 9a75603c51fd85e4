// What every vector environment does: batches, resets, episodes, saved states, errors.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <manta/error.h>
#include <manta/rl/batch_env.h>
#include <manta/rl/envs/cart_pole.h>
#include <manta/rl/make_env.h>

#include "rl/vector_env/cart_pole_batch.h"
#include "tests/rl/collect.h"

namespace manta::rl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr AutoresetMode kModes[] = {AutoresetMode::next_step, AutoresetMode::same_step, AutoresetMode::disabled};

// A user's own: walks from 0 to 3 or -3. An action beyond 1 throws.
struct Corridor {
  static constexpr std::string_view kId = "Corridor";
  static constexpr std::int64_t kMaxEpisodeSteps = 5;
  static Box observation_space() { return {{-3}, {3}}; }
  static ActionSpace action_space() { return Box{{-1}, {1}}; }

  void reset(Rng&, std::span<float> observation) { observation[0] = x = 0; }
  Transition step(std::span<const float> action, std::span<float> observation) {
    if (action[0] > 1) throw std::out_of_range("too far");
    observation[0] = x += action[0];
    return {.reward = 0.5, .terminated = std::abs(x) >= 3};
  }

  float x = 0;
};

// Errors that a call must have.
template <class Call>
std::string refusal(Call call, ErrorCode code = ErrorCode::invalid_argument) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.message();
  }
  return "nothing was thrown";
}

std::vector<std::string_view> environments_here() {
  auto ids = environment_ids();
  try {
    make_env("HalfCheetah-v5", 1);
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("cmake/deps.sh rl"));
    std::erase(ids, "HalfCheetah-v5");
  }
  return ids;
}

TEST(CartPoleBatch, StepsToTheBitAsThePlainOneInEveryModeAndSize) {
  std::vector<cart_pole::Steps> ways{cart_pole::steps_anywhere, cart_pole::best_steps()};
  for (const AutoresetMode mode : kModes) {
    for (const std::size_t num_envs : {1, 3, 64, 131}) {
      for (const auto steps : ways) {
        const EnvOptions options{.autoreset = mode, .max_episode_steps = 40};
        CartPoleBatch fast(num_envs, options, steps);
        BatchEnv<CartPole> plain(num_envs, options);
        Buffers fast_seen(fast), plain_seen(plain);
        Rng fast_rng(7), plain_rng(7);
        fast.reset(3, fast_seen.observations);
        plain.reset(3, plain_seen.observations);
        for (int step = 0; step < 300; ++step) {
          fast_seen.step(fast, fast_rng);
          plain_seen.step(plain, plain_rng);
          ASSERT_EQ(fast_seen.seen(), plain_seen.seen()) << to_string(mode) << ", " << num_envs << ", step " << step;
        }
        EXPECT_GE(plain_seen.episodes.size(), 5 * num_envs);
      }
    }
  }
}

// Pushes towards the upright pole: last bits that differ would double every ten steps or so.
TEST(CartPoleBatch, KeepsTheBitsThroughLongEpisodes) {
  CartPoleBatch fast(64, {});
  BatchEnv<CartPole> plain(64);
  Buffers fast_seen(fast), plain_seen(plain);
  fast.reset(11, fast_seen.observations);
  plain.reset(11, plain_seen.observations);
  std::int64_t longest = 0;
  for (int step = 0; step < 1200; ++step) {
    for (std::size_t i = 0; i < 64; ++i) {
      const float* row = &plain_seen.observations[4 * i];
      fast_seen.discrete[i] = 0.1F * row[0] + 0.3F * row[1] + 3 * row[2] + row[3] > 0 ? 1 : 0;
    }
    fast.step(std::span<const std::int64_t>(fast_seen.discrete), fast_seen.out());
    plain.step(std::span<const std::int64_t>(fast_seen.discrete), plain_seen.out());
    ASSERT_EQ(fast_seen.seen(), plain_seen.seen()) << "step " << step;
    for (const auto& episode : plain.finished_episodes()) longest = std::max(longest, episode.length);
  }
  EXPECT_EQ(longest, 500);
}

TEST(VectorEnv, GoesOnToTheBitFromASavedState) {
  for (const std::string_view id : environments_here()) {
    for (const AutoresetMode mode : kModes) {
      const EnvOptions options{.autoreset = mode, .max_episode_steps = 15};
      const auto first = make_env(id, 3, options);
      Buffers seen(*first);
      Rng rng(5);
      first->reset(1, seen.observations);
      for (int step = 0; step < 37; ++step) seen.step(*first, rng);
      const auto second = make_env(id, 3, options);
      second->load_state(first->save_state());
      Buffers again = seen;
      Rng same(rng);
      for (int step = 0; step < 60; ++step) {
        seen.step(*first, rng);
        again.step(*second, same);
        ASSERT_EQ(seen.seen(), again.seen()) << id << ", " << to_string(mode) << ", step " << step;
      }
      EXPECT_EQ(first->save_state(), second->save_state()) << id;
    }
  }
}

// Arrays of 4 KiB and more are out of band.
TEST(VectorEnv, SavesTheStateOfThousands) {
  for (const std::string_view id : environments_here()) {
    const auto first = make_env(id, 2000), second = make_env(id, 2000);
    Buffers seen(*first);
    Rng rng(5);
    first->reset(1, seen.observations);
    for (int step = 0; step < 3; ++step) seen.step(*first, rng);
    second->load_state(first->save_state());
    Buffers again = seen;
    Rng same(rng);
    seen.step(*first, rng);
    again.step(*second, same);
    EXPECT_EQ(seen.seen(), again.seen()) << id;
  }
}

TEST(VectorEnv, RefusesAStateOfAnotherKind) {
  const auto carts = make_env("CartPole-v1", 2), more = make_env("CartPole-v1", 3), swings = make_env("Pendulum-v1", 2);
  EXPECT_THAT(refusal([&] { carts->load_state(more->save_state()); }), HasSubstr("one of 3 environments"));
  EXPECT_THAT(refusal([&] { carts->load_state(swings->save_state()); }), HasSubstr("\"Pendulum-v1\""));
  EXPECT_THAT(refusal([&] { swings->load_state("nonsense"); }), HasSubstr("Pendulum-v1: not a state"));
  auto cut = carts->save_state();
  cut.resize(cut.size() - 3);
  EXPECT_THAT(refusal([&] { carts->load_state(cut); }), HasSubstr("CartPole-v1: not a state"));
}

TEST(VectorEnv, NextStepResetsInTheStepAfter) {
  BatchEnv<Corridor> env(2);
  Buffers seen(env);
  env.reset(0, seen.observations);
  const std::vector<float> actions{1, 0.25};
  for (int step = 0; step < 3; ++step) env.step(std::span<const float>(actions), seen.out());
  EXPECT_THAT(seen.observations, ElementsAre(3, 0.75));
  EXPECT_THAT(seen.terminated, ElementsAre(1, 0));
  ASSERT_EQ(env.finished_episodes().size(), 1);
  EXPECT_EQ(env.finished_episodes()[0].env, 0);
  EXPECT_EQ(env.finished_episodes()[0].episode_return, 1.5);
  EXPECT_EQ(env.finished_episodes()[0].length, 3);
  env.step(std::span<const float>(actions), seen.out());
  EXPECT_THAT(seen.observations, ElementsAre(0, 1));
  EXPECT_THAT(seen.rewards, ElementsAre(0, 0.5));
  EXPECT_THAT(seen.terminated, ElementsAre(0, 0));
  EXPECT_TRUE(env.finished_episodes().empty());
  env.step(std::span<const float>(actions), seen.out());
  EXPECT_THAT(seen.observations, ElementsAre(1, 1.25));
  EXPECT_THAT(seen.truncated, ElementsAre(0, 1));
}

TEST(VectorEnv, SameStepHandsOutTheFinalObservation) {
  BatchEnv<Corridor> env(2, {.autoreset = AutoresetMode::same_step});
  Buffers seen(env);
  env.reset(0, seen.observations);
  seen.final_observations = {7, 7};
  const std::vector<float> actions{1, 0.25};
  for (int step = 0; step < 3; ++step) env.step(std::span<const float>(actions), seen.out());
  EXPECT_THAT(seen.observations, ElementsAre(0, 0.75));
  EXPECT_THAT(seen.final_observations, ElementsAre(3, 7));
  StepBatch without = seen.out();
  without.final_observations = {};
  env.step(std::span<const float>(actions), without);
  EXPECT_THAT(seen.observations, ElementsAre(1, 1));
}

TEST(VectorEnv, DisabledWaitsForTheCaller) {
  for (const bool carts : {true, false}) {
    const EnvOptions options{.autoreset = AutoresetMode::disabled, .max_episode_steps = 2};
    const auto env = make_env(carts ? "CartPole-v1" : "MountainCar-v0", 3, options);
    Buffers seen(*env);
    env->reset(0, seen.observations);
    const std::vector<std::int64_t> actions(3);
    for (int step = 0; step < 2; ++step) env->step(actions, seen.out());
    EXPECT_THAT(seen.truncated, ElementsAre(1, 1, 1));
    const auto before = seen.observations;
    const std::vector<std::uint8_t> mask{1, 0, 1};
    env->reset_where(mask, seen.observations);
    EXPECT_NE(seen.observations.front(), before.front());
    EXPECT_EQ(seen.observations[env->observation_size()], before[env->observation_size()]);
    EXPECT_THAT(refusal([&] { env->step(actions, seen.out()); }), HasSubstr("environment 1 has ended"));
    env->reset_where(std::vector<std::uint8_t>{0, 1, 0}, seen.observations);
    env->step(actions, seen.out());
    EXPECT_THAT(seen.truncated, ElementsAre(0, 0, 0));
  }
}

TEST(VectorEnv, SaysWhatIsWrongWithACall) {
  const auto carts = make_env("CartPole-v1", 2), swings = make_env("Pendulum-v1", 2);
  Buffers seen(*carts), other(*swings);
  const std::vector<std::int64_t> pushes{0, 1};
  const std::vector<float> torques{0, 1};
  EXPECT_THAT(refusal([&] { carts->step(pushes, seen.out()); }), HasSubstr("before the first reset()"));
  EXPECT_THAT(refusal([&] { swings->step(torques, other.out()); }), HasSubstr("before the first reset()"));
  EXPECT_THAT(refusal([&] { carts->reset(0, other.observations); }), HasSubstr("2 environments of 4 need 8"));
  carts->reset(0, seen.observations);
  swings->reset(0, other.observations);
  EXPECT_THAT(refusal([&] { carts->step(torques, seen.out()); }), HasSubstr("not floats"));
  EXPECT_THAT(refusal([&] { swings->step(pushes, other.out()); }), HasSubstr("not integers"));
  EXPECT_THAT(refusal([&] {
                carts->step(std::vector<std::int64_t>{0, -1}, seen.out());
              }),
              HasSubstr("the action of environment 1 is -1; actions are 0 to 1"));
  auto batch = seen.out();
  batch.rewards = {};
  EXPECT_THAT(refusal([&] { carts->step(pushes, batch); }), HasSubstr("rewards has 0 elements"));
}

TEST(MakeEnv, NamesWhatThereIs) {
  EXPECT_THAT(refusal([] { make_env("CartPole-v9", 1); }, ErrorCode::not_found), HasSubstr("MountainCarContinuous-v0"));
  EXPECT_THAT(refusal([] { make_env("CartPole-v1", 0); }), HasSubstr("num_envs is 0"));
  EXPECT_THAT(refusal([] { make_env("CartPole-v1", 1, {.max_episode_steps = -2}); }), HasSubstr("-1 for no limit"));
  EXPECT_THAT(refusal([] { make_env("CartPole-v1", 1, {.num_threads = 0}); }), HasSubstr("num_threads is 0"));
}

TEST(BatchEnv, StepsTheSameWithThreadsAndPassesExceptionsOn) {
  BatchEnv<Corridor> one(7), three(7, {.num_threads = 3});
  Buffers one_seen(one), three_seen(three);
  Rng one_rng(1), three_rng(1);
  one.reset(0, one_seen.observations);
  three.reset(0, three_seen.observations);
  for (int step = 0; step < 50; ++step) {
    one_seen.step(one, one_rng);
    three_seen.step(three, three_rng);
    ASSERT_EQ(one_seen.seen(), three_seen.seen());
  }
  EXPECT_FALSE(one_seen.episodes.empty());
  std::vector<float> actions(7);
  actions[6] = 2;
  three.reset(0, three_seen.observations);
  EXPECT_THROW(three.step(std::span<const float>(actions), three_seen.out()), std::out_of_range);
}

}  // namespace
}  // namespace manta::rl
