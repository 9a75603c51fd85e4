// CartPole's numbers, as Gymnasium computes them: shared by the plain and the batched way.
#pragma once

#include <numbers>

namespace manta::rl::cart_pole {

inline constexpr double kGravity = 9.8;
inline constexpr double kPoleMass = 0.1;
inline constexpr double kTotalMass = kPoleMass + 1.0;
inline constexpr double kLength = 0.5;  // half the pole's
inline constexpr double kPoleMassLength = kPoleMass * kLength;
inline constexpr double kForce = 10.0;
inline constexpr double kSeconds = 0.02;  // a step
inline constexpr double kMaxX = 2.4;
inline constexpr double kMaxTheta = 12 * 2 * std::numbers::pi / 360;
inline constexpr double kResetRange = 0.05;

}  // namespace manta::rl::cart_pole
