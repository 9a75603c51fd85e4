// The loops of small perceptrons, for the instructions that this processor has.
#pragma once

#include <cstdint>
#include <span>

namespace manta::rl::detail {

// Matrices are row-major; their rows have a multiple of kPadding floats, of which the surplus ones are 0.
inline constexpr std::int64_t kPadding = 16;
constexpr std::int64_t padded(std::int64_t size) { return (size + kPadding - 1) / kPadding * kPadding; }

// c = a * b + bias, or c += a * b. Element (m, k) of a is a[m * a_row + k * a_column], so that it may be transposed.
struct Product {
  const float* a;
  std::int64_t a_row, a_column;
  const float* b;                     // [inner, columns]
  float* c;                           // [rows, columns]
  std::int64_t rows, columns, inner;  // columns: a multiple of kPadding, and how long the rows of b and c are
  const float* bias = nullptr;        // [columns]; null: c += a * b
};

struct Kernels {
  const char* name;
  void (*multiply)(const Product& product);
  // c[m, n] = sum of a[m, k] * b[n, k] + bias[n], for few n. length: of the rows of a and b; of those of c: c_row.
  void (*dot)(const float* a, const float* b, const float* bias, float* c, std::int64_t rows, std::int64_t columns,
              std::int64_t length, std::int64_t c_row);
  // In place. count: a multiple of kPadding.
  void (*tanh)(float* x, std::int64_t count);
  void (*relu)(float* x, std::int64_t count);
  // gradient *= derivative, by the activation's value.
  void (*tanh_backward)(float* gradient, const float* value, std::int64_t count);
  void (*relu_backward)(float* gradient, const float* value, std::int64_t count);
  // sums += each row.
  void (*add_rows)(const float* rows, float* sums, std::int64_t count, std::int64_t columns);
};

// Those that run here, the fastest first. They differ in the last bits of what they compute.
std::span<const Kernels* const> available_kernels();

extern const Kernels kernels_anywhere;
#ifdef MANTA_RL_X86
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
#endif

}  // namespace manta::rl::detail
