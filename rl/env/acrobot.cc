#include <manta/rl/envs/acrobot.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace manta::rl {
namespace {

using State = std::array<double, 4>;

constexpr double kPi = std::numbers::pi;
constexpr double kSeconds = 0.2;  // a step
constexpr double kMaxVelocity1 = 4 * kPi;
constexpr double kMaxVelocity2 = 9 * kPi;
constexpr double kMass1 = 1, kMass2 = 1;
constexpr double kLength1 = 1;
constexpr double kCenter1 = 0.5, kCenter2 = 0.5;  // of mass
constexpr double kInertia1 = 1, kInertia2 = 1;
constexpr double kGravity = 9.8;

// NumPy squares by the C library's pow, whose last bit is now and then another than a product's: some hundred steps of
// chaotic motion later that shows. (This file is compiled so that pow is called.)
double squared(double value) { return std::pow(value, 2.0); }

State derivative(const State& s, double torque) {
  const auto& [theta1, theta2, velocity1, velocity2] = s;
  const double cosine2 = std::cos(theta2), sine2 = std::sin(theta2);
  const double d1 = kMass1 * (kCenter1 * kCenter1) +
                    kMass2 * (kLength1 * kLength1 + kCenter2 * kCenter2 + 2 * kLength1 * kCenter2 * cosine2) +
                    kInertia1 + kInertia2;
  const double d2 = kMass2 * (kCenter2 * kCenter2 + kLength1 * kCenter2 * cosine2) + kInertia2;
  const double phi2 = kMass2 * kCenter2 * kGravity * std::cos(theta1 + theta2 - kPi / 2);
  const double phi1 = -kMass2 * kLength1 * kCenter2 * squared(velocity2) * sine2 -
                      2 * kMass2 * kLength1 * kCenter2 * velocity2 * velocity1 * sine2 +
                      (kMass1 * kCenter1 + kMass2 * kLength1) * kGravity * std::cos(theta1 - kPi / 2) + phi2;
  const double acceleration2 =
      (torque + d2 / d1 * phi1 - kMass2 * kLength1 * kCenter2 * squared(velocity1) * sine2 - phi2) /
      (kMass2 * (kCenter2 * kCenter2) + kInertia2 - squared(d2) / d1);
  const double acceleration1 = -(d2 * acceleration2 + phi1) / d1;
  return {velocity1, velocity2, acceleration1, acceleration2};
}

State moved(const State& from, double by, const State& along) {
  State to{};
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i] + by * along[i];
  return to;
}

State runge_kutta(const State& s, double torque) {
  const State k1 = derivative(s, torque);
  const State k2 = derivative(moved(s, kSeconds / 2, k1), torque);
  const State k3 = derivative(moved(s, kSeconds / 2, k2), torque);
  const State k4 = derivative(moved(s, kSeconds, k3), torque);
  State to{};
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i] = s[i] + kSeconds / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
  }
  return to;
}

double wrapped(double angle) {
  while (angle > kPi) angle -= 2 * kPi;
  while (angle < -kPi) angle += 2 * kPi;
  return angle;
}

}  // namespace

Box Acrobot::observation_space() {
  const std::vector<float> high{1, 1, 1, 1, static_cast<float>(kMaxVelocity1), static_cast<float>(kMaxVelocity2)};
  return {{-high[0], -high[1], -high[2], -high[3], -high[4], -high[5]}, high};
}

void Acrobot::reset(Rng& rng, std::span<float> observation) {
  for (double& value : state) value = static_cast<float>(rng.uniform(-0.1, 0.1));  // as Gymnasium rounds it
  write(observation);
}

Transition Acrobot::step(std::int64_t action, std::span<float> observation) {
  state = runge_kutta(state, static_cast<double>(action - 1));
  state[0] = wrapped(state[0]);
  state[1] = wrapped(state[1]);
  state[2] = std::clamp(state[2], -kMaxVelocity1, kMaxVelocity1);
  state[3] = std::clamp(state[3], -kMaxVelocity2, kMaxVelocity2);
  write(observation);
  const bool terminated = -std::cos(state[0]) - std::cos(state[1] + state[0]) > 1;
  return {.reward = terminated ? 0.0 : -1.0, .terminated = terminated};
}

void Acrobot::write(std::span<float> observation) const {
  observation[0] = static_cast<float>(std::cos(state[0]));
  observation[1] = static_cast<float>(std::sin(state[0]));
  observation[2] = static_cast<float>(std::cos(state[1]));
  observation[3] = static_cast<float>(std::sin(state[1]));
  observation[4] = static_cast<float>(state[2]);
  observation[5] = static_cast<float>(state[3]);
}

}  // namespace manta::rl
