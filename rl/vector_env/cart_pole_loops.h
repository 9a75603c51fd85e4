// The loops behind cart_pole::Steps, included once by each file that is compiled for another processor, which defines
// MANTA_CART_POLE_NAME. Everything here but that function is local to the file: a copy for one processor must not be
// linked into another's.
//
// To the bit what CartPole::step computes: the same operations in the same order, none contracted, and the C library's
// sine and cosine. They take most of the time, but an upright pole doubles a difference every ten steps: last bits
// would show before the end of an episode.
#include <math.h>

#include "rl/env/cart_pole_constants.h"
#include "rl/vector_env/cart_pole_steps.h"

namespace manta::rl::cart_pole {
namespace {

constexpr std::size_t kBlock = 64;  // carts: what lies between the loops stays in the first-level cache

struct Trigonometry {
  alignas(64) double sine[kBlock];
  alignas(64) double cosine[kBlock];
};

void compute(const double* theta, std::size_t count, Trigonometry& of) {
  for (std::size_t i = 0; i < count; ++i) {  // together they are one call of sincos
    of.sine[i] = ::sin(theta[i]);
    of.cosine[i] = ::cos(theta[i]);
  }
}

void move(const Carts& carts, std::size_t from, std::size_t count, const std::int64_t* actions,
          const Trigonometry& of) {
  double* __restrict x = carts.x + from;
  double* __restrict x_dot = carts.x_dot + from;
  double* __restrict theta = carts.theta + from;
  double* __restrict theta_dot = carts.theta_dot + from;
  for (std::size_t i = 0; i < count; ++i) {
    const double force = actions[i] == 1 ? kForce : -kForce;
    const double push = (force + kPoleMassLength * (theta_dot[i] * theta_dot[i]) * of.sine[i]) / kTotalMass;
    const double theta_acceleration = (kGravity * of.sine[i] - of.cosine[i] * push) /
                                      (kLength * (4.0 / 3.0 - kPoleMass * (of.cosine[i] * of.cosine[i]) / kTotalMass));
    const double x_acceleration = push - kPoleMassLength * theta_acceleration * of.cosine[i] / kTotalMass;
    x[i] += kSeconds * x_dot[i];
    x_dot[i] += kSeconds * x_acceleration;
    theta[i] += kSeconds * theta_dot[i];
    theta_dot[i] += kSeconds * theta_acceleration;
  }
}

void observe(const Carts& carts, std::size_t from, std::size_t count, float* __restrict observations) {
  const double* __restrict x = carts.x + from;
  const double* __restrict x_dot = carts.x_dot + from;
  const double* __restrict theta = carts.theta + from;
  const double* __restrict theta_dot = carts.theta_dot + from;
  for (std::size_t i = 0; i < count; ++i) {
    observations[4 * i] = static_cast<float>(x[i]);
    observations[4 * i + 1] = static_cast<float>(x_dot[i]);
    observations[4 * i + 2] = static_cast<float>(theta[i]);
    observations[4 * i + 3] = static_cast<float>(theta_dot[i]);
  }
}

// Ends of episodes: flags for each cart, and whether there was any.
bool judge(const Carts& carts, std::size_t from, std::size_t count, std::int64_t limit,
           std::uint8_t* __restrict terminated, std::uint8_t* __restrict truncated) {
  const double* __restrict x = carts.x + from;
  const double* __restrict theta = carts.theta + from;
  std::int64_t* __restrict length = carts.length + from;
  std::uint8_t any = 0;
  for (std::size_t i = 0; i < count; ++i) {
    terminated[i] = static_cast<std::uint8_t>((::fabs(x[i]) > kMaxX) | (::fabs(theta[i]) > kMaxTheta));
    any |= terminated[i];
  }
  for (std::size_t i = 0; i < count; ++i) {
    ++length[i];
    truncated[i] = static_cast<std::uint8_t>(length[i] >= limit);
    any |= truncated[i];
  }
  return any != 0;
}

}  // namespace

std::size_t MANTA_CART_POLE_NAME(const Carts& carts, std::size_t count, std::int64_t limit, const Rows& rows,
                                 std::uint32_t* ended) {
  std::size_t ends = 0;
  Trigonometry of;
  for (std::size_t from = 0; from < count; from += kBlock) {
    const std::size_t block = count - from < kBlock ? count - from : kBlock;
    compute(carts.theta + from, block, of);
    move(carts, from, block, rows.actions + from, of);
    observe(carts, from, block, rows.observations + 4 * from);
    for (std::size_t i = 0; i < block; ++i) rows.rewards[from + i] = 1;
    if (!judge(carts, from, block, limit, rows.terminated + from, rows.truncated + from)) continue;
    for (std::size_t i = from; i < from + block; ++i) {
      if ((rows.terminated[i] | rows.truncated[i]) != 0) ended[ends++] = static_cast<std::uint32_t>(i);
    }
  }
  return ends;
}

}  // namespace manta::rl::cart_pole
