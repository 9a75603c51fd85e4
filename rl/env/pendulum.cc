#include <manta/rl/envs/pendulum.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace manta::rl {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kSeconds = 0.05;  // a step
constexpr double kMaxSpeed = 8;
constexpr double kGravity = 10;

// Between -pi and pi, as Python's % has it.
double normalized(double angle) {
  double rest = std::fmod(angle + kPi, 2 * kPi);
  if (rest < 0) rest += 2 * kPi;
  return rest - kPi;
}

}  // namespace

void Pendulum::reset(Rng& rng, std::span<float> observation) {
  theta = rng.uniform(-kPi, kPi);
  theta_dot = rng.uniform(-1, 1);
  write(observation);
}

Transition Pendulum::step(std::span<const float> action, std::span<float> observation) {
  const float torque = std::clamp(action[0], -2.0F, 2.0F);
  const double angle = normalized(theta);
  const double cost = angle * angle + 0.1 * (theta_dot * theta_dot) + 0.001F * (torque * torque);
  const double acceleration = 3 * kGravity / 2 * std::sin(theta) + 3.0F * torque;
  theta_dot = std::clamp(theta_dot + acceleration * kSeconds, -kMaxSpeed, kMaxSpeed);
  theta += theta_dot * kSeconds;
  write(observation);
  return {.reward = -cost};
}

void Pendulum::write(std::span<float> observation) const {
  observation[0] = static_cast<float>(std::cos(theta));
  observation[1] = static_cast<float>(std::sin(theta));
  observation[2] = static_cast<float>(theta_dot);
}

}  // namespace manta::rl
