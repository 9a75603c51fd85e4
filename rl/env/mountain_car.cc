#include <manta/rl/envs/mountain_car.h>

#include <algorithm>
#include <cmath>

namespace manta::rl {
namespace {

constexpr double kMinPosition = -1.2, kMaxPosition = 0.6;
constexpr double kMaxSpeed = 0.07;
constexpr double kGravity = 0.0025;

void write(double position, double velocity, std::span<float> observation) {
  observation[0] = static_cast<float>(position);
  observation[1] = static_cast<float>(velocity);
}

// Adds to the velocity, then that to the position, within bounds; true at the goal. In Real's precision throughout.
template <class Real>
bool move(double& position, double& velocity, double change, Real goal) {
  constexpr Real kMin = kMinPosition, kMax = kMaxPosition, kFastest = kMaxSpeed;
  Real speed = std::clamp<Real>(static_cast<Real>(velocity) + static_cast<Real>(change), -kFastest, kFastest);
  const Real place = std::clamp<Real>(static_cast<Real>(position) + speed, kMin, kMax);
  if (place == kMin && speed < 0) speed = 0;
  position = place;
  velocity = speed;
  return place >= goal && speed >= 0;
}

}  // namespace

Box MountainCar::observation_space() {
  constexpr float kSpeed = kMaxSpeed;
  return {{static_cast<float>(kMinPosition), -kSpeed}, {static_cast<float>(kMaxPosition), kSpeed}};
}

void MountainCar::reset(Rng& rng, std::span<float> observation) {
  position = rng.uniform(-0.6, -0.4);
  velocity = 0;
  write(position, velocity, observation);
}

Transition MountainCar::step(std::int64_t action, std::span<float> observation) {
  const double change = static_cast<double>(action - 1) * 0.001 + std::cos(3 * position) * -kGravity;
  const bool terminated = move<double>(position, velocity, change, 0.5);
  write(position, velocity, observation);
  return {.reward = -1, .terminated = terminated};
}

Box MountainCarContinuous::observation_space() { return MountainCar::observation_space(); }

void MountainCarContinuous::reset(Rng& rng, std::span<float> observation) {
  position = rng.uniform(-0.6, -0.4);
  velocity = 0;
  first = true;
  write(position, velocity, observation);
}

Transition MountainCarContinuous::step(std::span<const float> action, std::span<float> observation) {
  constexpr double kPower = 0.0015;
  const float force = action[0];
  const double angle = first ? 3 * position : 3.0F * static_cast<float>(position);
  const double slope = kGravity * std::cos(angle);
  // Where NumPy bounds the force it goes on in double precision, else in single.
  const double change = force < -1  ? -kPower - slope
                        : force > 1 ? kPower - slope
                                    : force * static_cast<float>(kPower) - static_cast<float>(slope);
  const bool terminated = first ? move<double>(position, velocity, change, 0.45)
                                : move<float>(position, velocity, change, static_cast<float>(0.45));
  first = false;
  position = static_cast<float>(position);
  velocity = static_cast<float>(velocity);
  write(position, velocity, observation);
  const double square = static_cast<double>(force) * static_cast<double>(force);
  return {.reward = (terminated ? 100.0 : 0.0) - square * 0.1, .terminated = terminated};
}

}  // namespace manta::rl
