#include <manta/rl/envs/cart_pole.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "rl/env/cart_pole_constants.h"

namespace manta::rl {

using namespace cart_pole;

Box CartPole::observation_space() {
  constexpr float kNone = std::numeric_limits<float>::infinity();
  const std::vector<float> high{static_cast<float>(2 * kMaxX), kNone, static_cast<float>(2 * kMaxTheta), kNone};
  return {{-high[0], -kNone, -high[2], -kNone}, high};
}

void CartPole::reset(Rng& rng, std::span<float> observation) {
  for (double* value : {&x, &x_dot, &theta, &theta_dot}) *value = rng.uniform(-kResetRange, kResetRange);
  write(observation);
}

Transition CartPole::step(std::int64_t action, std::span<float> observation) {
  const double force = action == 1 ? kForce : -kForce;
  const double cosine = std::cos(theta);
  const double sine = std::sin(theta);
  const double push = (force + kPoleMassLength * (theta_dot * theta_dot) * sine) / kTotalMass;
  const double theta_acceleration =
      (kGravity * sine - cosine * push) / (kLength * (4.0 / 3.0 - kPoleMass * (cosine * cosine) / kTotalMass));
  const double x_acceleration = push - kPoleMassLength * theta_acceleration * cosine / kTotalMass;
  x += kSeconds * x_dot;
  x_dot += kSeconds * x_acceleration;
  theta += kSeconds * theta_dot;
  theta_dot += kSeconds * theta_acceleration;
  write(observation);
  return {.reward = 1, .terminated = std::abs(x) > kMaxX || std::abs(theta) > kMaxTheta};
}

void CartPole::write(std::span<float> observation) const {
  observation[0] = static_cast<float>(x);
  observation[1] = static_cast<float>(x_dot);
  observation[2] = static_cast<float>(theta);
  observation[3] = static_cast<float>(theta_dot);
}

}  // namespace manta::rl
