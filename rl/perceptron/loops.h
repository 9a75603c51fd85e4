// The loops, compiled once for each set of instructions. The including file defines MANTA_RL_KERNELS, the name of the
// table, MANTA_RL_WIDTH, floats in a vector, and MANTA_RL_ROWS and MANTA_RL_VECTORS, the tile that its registers hold.
#include <algorithm>
#include <cstring>

#include "rl/perceptron/kernels.h"

namespace manta::rl::detail {
namespace {

constexpr std::int64_t kWidth = MANTA_RL_WIDTH;
using Vector [[gnu::vector_size(sizeof(float) * MANTA_RL_WIDTH)]] = float;

[[gnu::always_inline]] inline Vector load(const float* from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}
[[gnu::always_inline]] inline void store(float* to, Vector vector) { std::memcpy(to, &vector, sizeof vector); }
[[gnu::always_inline]] inline Vector all(float value) { return Vector{} + value; }

// R rows and V vectors of c stay in registers for the whole sum.
template <int R, int V>
inline void tile(const Product& p, std::int64_t row, std::int64_t column) {
  Vector sum[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      const float* start = p.bias != nullptr ? p.bias : p.c + (row + r) * p.columns;
      sum[r][v] = load(start + column + v * kWidth);
    }
  }
  const float* a = p.a + row * p.a_row;
  const float* b = p.b + column;
  for (std::int64_t k = 0; k < p.inner; ++k, a += p.a_column, b += p.columns) {
    Vector line[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) line[v] = load(b + v * kWidth);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vector factor = all(a[r * p.a_row]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[r][v] += factor * line[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store(p.c + (row + r) * p.columns + column + v * kWidth, sum[r][v]);
  }
}

template <int V>
void columns_of(const Product& p, std::int64_t column) {
  std::int64_t row = 0;
  for (; row + MANTA_RL_ROWS <= p.rows; row += MANTA_RL_ROWS) tile<MANTA_RL_ROWS, V>(p, row, column);
  for (; row + 2 <= p.rows; row += 2) tile<2, V>(p, row, column);
  if (row < p.rows) tile<1, V>(p, row, column);
}

void multiply(const Product& p) {
  std::int64_t column = 0;
  for (; column + MANTA_RL_VECTORS * kWidth <= p.columns; column += MANTA_RL_VECTORS * kWidth) {
    columns_of<MANTA_RL_VECTORS>(p, column);
  }
  for (; column < p.columns; column += kWidth) columns_of<1>(p, column);
}

void dot(const float* a, const float* b, const float* bias, float* c, std::int64_t rows, std::int64_t columns,
         std::int64_t length, std::int64_t c_row) {
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t n = 0; n < columns; ++n) {
      Vector sum{};
      for (std::int64_t k = 0; k < length; k += kWidth) sum += load(a + m * length + k) * load(b + n * length + k);
      float whole = bias[n];
      for (std::int64_t k = 0; k < kWidth; ++k) whole += sum[k];
      c[m * c_row + n] = whole;
    }
  }
}

[[gnu::always_inline]] inline Vector clamp(Vector x, float low, float high) {
  x = x < all(low) ? all(low) : x;
  return x > all(high) ? all(high) : x;
}

// A ratio of polynomials (13th and 6th degree) as in Eigen; within 5e-7 of tanh, and exactly odd.
void tanh(float* x, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += kWidth) {
    const Vector at = clamp(load(x + i), -7.90531110763549805F, 7.90531110763549805F);
    const Vector square = at * at;
    Vector above = square * -2.76076847742355e-16F + 2.00018790482477e-13F;
    above = square * above + -8.60467152213735e-11F;
    above = square * above + 5.12229709037114e-08F;
    above = square * above + 1.48572235717979e-05F;
    above = square * above + 6.37261928875436e-04F;
    above = at * (square * above + 4.89352455891786e-03F);
    Vector below = square * 1.19825839466702e-06F + 1.18534705686654e-04F;
    below = square * below + 2.26843463243900e-03F;
    below = square * below + 4.89352518554385e-03F;
    store(x + i, above / below);
  }
}

void relu(float* x, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += kWidth) {
    const Vector at = load(x + i);
    store(x + i, at > Vector{} ? at : Vector{});
  }
}

void tanh_backward(float* gradient, const float* value, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += kWidth) {
    const Vector y = load(value + i);
    store(gradient + i, load(gradient + i) * (1.0F - y * y));
  }
}

void relu_backward(float* gradient, const float* value, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += kWidth) {
    store(gradient + i, load(value + i) > Vector{} ? load(gradient + i) : Vector{});
  }
}

void add_rows(const float* rows, float* sums, std::int64_t count, std::int64_t columns) {
  for (std::int64_t column = 0; column < columns; column += kWidth) {
    Vector sum = load(sums + column);
    for (std::int64_t row = 0; row < count; ++row) sum += load(rows + row * columns + column);
    store(sums + column, sum);
  }
}

}  // namespace

extern const Kernels MANTA_RL_KERNELS;
#define MANTA_RL_TEXT_OF(name) #name
#define MANTA_RL_TEXT(name) MANTA_RL_TEXT_OF(name)
const Kernels MANTA_RL_KERNELS{
    MANTA_RL_TEXT(MANTA_RL_KERNELS), &multiply, &dot, &tanh, &relu, &tanh_backward, &relu_backward, &add_rows};

}  // namespace manta::rl::detail
