// The loops of reduce.h. Included once per instruction set, with MANTA_REDUCE_NAME naming what is defined; each gets
// its own copy, because everything else is in an anonymous namespace. So nothing here may call an inline function from
// elsewhere: the linker could pick the copy that was compiled for the larger instruction set.
#include <stddef.h>
#include <stdint.h>
#ifdef __F16C__
#include <immintrin.h>
#endif

#include "core/collective/reduce.h"

namespace manta::collective {
namespace {

struct Half {
  uint16_t bits;
};
struct BFloat {
  uint16_t bits;
};

float from_bits(uint32_t bits) { return __builtin_bit_cast(float, bits); }
uint32_t to_bits(float value) { return __builtin_bit_cast(uint32_t, value); }

float widen(BFloat value) { return from_bits(static_cast<uint32_t>(value.bits) << 16); }
// To nearest, ties to even; a NaN stays one.
void narrow(float value, BFloat& out) {
  const uint32_t bits = to_bits(value);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  out.bits = static_cast<uint16_t>(value != value ? 0x7fc0 : rounded);
}

// Scaling by a power of two lets the hardware deal with subnormals.
float widen(Half value) {
  const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000) << 16;
  const uint32_t rest = static_cast<uint32_t>(value.bits & 0x7fff) << 13;
  const float scaled = from_bits(rest) * 0x1p112f;
  const uint32_t magnitude = rest >= 0x0f800000 ? rest | 0x7f800000 : to_bits(scaled);
  return from_bits(sign | magnitude);
}
void narrow(float value, Half& out) {
  const uint32_t bits = to_bits(value);
  const uint32_t sign = (bits >> 16) & 0x8000;
  const uint32_t rest = bits & 0x7fffffff;
  const uint32_t normal = (rest + 0xfff + ((rest >> 13) & 1) - 0x38000000) >> 13;
  const uint32_t subnormal = to_bits(from_bits(rest) + 0.5f) - 0x3f000000;  // the addition rounds at 2^-24
  uint32_t half = rest < 0x38800000 ? subnormal : normal;
  if (rest >= 0x477ff000) half = rest > 0x7f800000 ? 0x7e00 : 0x7c00;
  out.bits = static_cast<uint16_t>(sign | half);
}

template <class T>
struct Wide {
  using Type = T;
};
template <>
struct Wide<Half> {
  using Type = float;
};
template <>
struct Wide<BFloat> {
  using Type = float;
};

// Unsigned arithmetic, because sums of integers wrap.
template <class T>
struct Wrapping {
  using Type = T;
};
template <>
struct Wrapping<int32_t> {
  using Type = uint32_t;
};
template <>
struct Wrapping<int64_t> {
  using Type = uint64_t;
};
template <>
struct Wrapping<int16_t> {
  using Type = uint32_t;  // else two of them are promoted to int
};

struct Sum {
  template <class T>
  static T apply(T a, T b) {
    using U = typename Wrapping<T>::Type;
    return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
  }
};
struct Product {
  template <class T>
  static T apply(T a, T b) {
    using U = typename Wrapping<T>::Type;
    return static_cast<T>(static_cast<U>(a) * static_cast<U>(b));
  }
};
// NaN wins, as in torch.
struct Minimum {
  template <class T>
  static T apply(T a, T b) {
    return a < b || a != a ? a : b;
  }
};
struct Maximum {
  template <class T>
  static T apply(T a, T b) {
    return a > b || a != a ? a : b;
  }
};
struct And {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a & b);
  }
};
struct Or {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a | b);
  }
};
struct Xor {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a ^ b);
  }
};

constexpr size_t kBlock = 512;  // values that stay in the first cache while rank after rank is added

// ivdep: out may be the very same memory as an input, which the compiler would take for an overlap to be careful about.
template <class Op, class T>
void widen_first(T* acc, const T* in, size_t n) {
#pragma GCC ivdep
  for (size_t i = 0; i < n; ++i) acc[i] = in[i];
}
template <class Op, class T>
void add_to(T* acc, const T* in, size_t n) {
#pragma GCC ivdep
  for (size_t i = 0; i < n; ++i) acc[i] = Op::apply(acc[i], in[i]);
}
template <class T>
void narrow_all(const T* acc, T* out, size_t n) {
#pragma GCC ivdep
  for (size_t i = 0; i < n; ++i) out[i] = acc[i];
}
template <class Op>
void widen_first(float* acc, const BFloat* in, size_t n) {
  for (size_t i = 0; i < n; ++i) acc[i] = widen(in[i]);
}
template <class Op>
void add_to(float* acc, const BFloat* in, size_t n) {
  for (size_t i = 0; i < n; ++i) acc[i] = Op::apply(acc[i], widen(in[i]));
}
void narrow_all(const float* acc, BFloat* out, size_t n) {
  for (size_t i = 0; i < n; ++i) narrow(acc[i], out[i]);
}
#ifdef __F16C__
void widen_all(float* wide, const Half* in, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(wide + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i))));
  }
  for (; i < n; ++i) wide[i] = widen(in[i]);
}
void narrow_all(const float* acc, Half* out, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(acc + i), _MM_FROUND_TO_NEAREST_INT));
  }
  for (; i < n; ++i) narrow(acc[i], out[i]);
}
#else
void widen_all(float* wide, const Half* in, size_t n) {
  for (size_t i = 0; i < n; ++i) wide[i] = widen(in[i]);
}
void narrow_all(const float* acc, Half* out, size_t n) {
  for (size_t i = 0; i < n; ++i) narrow(acc[i], out[i]);
}
#endif
template <class Op>
void widen_first(float* acc, const Half* in, size_t n) {
  widen_all(acc, in, n);
}
template <class Op>
void add_to(float* acc, const Half* in, size_t n) {
  float wide[kBlock];
  widen_all(wide, in, n);
  for (size_t i = 0; i < n; ++i) acc[i] = Op::apply(acc[i], wide[i]);
}

template <class T>
void scale(T*, size_t, int) {}
template <class T>
void scale_floating(T* acc, size_t n, int ranks) {
  const T divisor = static_cast<T>(ranks);
  if ((ranks & (ranks - 1)) == 0) {
    const T factor = 1 / divisor;  // exact
    for (size_t i = 0; i < n; ++i) acc[i] *= factor;
  } else {
    for (size_t i = 0; i < n; ++i) acc[i] /= divisor;
  }
}
void scale(float* acc, size_t n, int ranks) { scale_floating(acc, n, ranks); }
void scale(double* acc, size_t n, int ranks) { scale_floating(acc, n, ranks); }

template <class Op, class T>
void reduce_blocks(bool average, T* out, const void* const* inputs, int ranks, size_t count) {
  alignas(64) typename Wide<T>::Type acc[kBlock];
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t n = count - begin < kBlock ? count - begin : kBlock;
    widen_first<Op>(acc, static_cast<const T*>(inputs[0]) + begin, n);
    for (int rank = 1; rank < ranks; ++rank) add_to<Op>(acc, static_cast<const T*>(inputs[rank]) + begin, n);
    if (average) scale(acc, n, ranks);
    narrow_all(acc, out + begin, n);
  }
}

template <class Op, class T>
void reduce_two(T* out, const T* a, const T* b, size_t count) {
#pragma GCC ivdep
  for (size_t i = 0; i < count; ++i) out[i] = Op::apply(a[i], b[i]);
}
template <class Op>
void reduce_two(Half* out, const Half* a, const Half* b, size_t count) {
  const void* const inputs[] = {a, b};
  reduce_blocks<Op>(false, out, inputs, 2, count);
}
template <class Op>
void reduce_two(BFloat* out, const BFloat* a, const BFloat* b, size_t count) {
#pragma GCC ivdep
  for (size_t i = 0; i < count; ++i) narrow(Op::apply(widen(a[i]), widen(b[i])), out[i]);
}

template <class Op, class T>
void reduce_with(bool average, void* out, const void* const* inputs, int ranks, size_t count) {
  if (ranks == 2 && !average) {
    reduce_two<Op>(static_cast<T*>(out), static_cast<const T*>(inputs[0]), static_cast<const T*>(inputs[1]), count);
  } else {
    reduce_blocks<Op>(average, static_cast<T*>(out), inputs, ranks, count);
  }
}

template <class T>
void reduce_floating(Reduction reduction, void* out, const void* const* inputs, int ranks, size_t count) {
  switch (reduction) {
    case Reduction::sum:
    case Reduction::average:
      return reduce_with<Sum, T>(reduction == Reduction::average, out, inputs, ranks, count);
    case Reduction::product:
      return reduce_with<Product, T>(false, out, inputs, ranks, count);
    case Reduction::minimum:
      return reduce_with<Minimum, T>(false, out, inputs, ranks, count);
    case Reduction::maximum:
      return reduce_with<Maximum, T>(false, out, inputs, ranks, count);
    default:
      return;  // refused by require_reducible
  }
}

template <class T>
void reduce_integers(Reduction reduction, void* out, const void* const* inputs, int ranks, size_t count) {
  switch (reduction) {
    case Reduction::bit_and:
      return reduce_with<And, T>(false, out, inputs, ranks, count);
    case Reduction::bit_or:
      return reduce_with<Or, T>(false, out, inputs, ranks, count);
    case Reduction::bit_xor:
      return reduce_with<Xor, T>(false, out, inputs, ranks, count);
    case Reduction::average:
      return;  // refused by require_reducible
    default:
      return reduce_floating<T>(reduction, out, inputs, ranks, count);
  }
}

Reduction of_booleans(Reduction reduction) {
  switch (reduction) {
    case Reduction::sum:
    case Reduction::maximum:
      return Reduction::bit_or;
    case Reduction::product:
    case Reduction::minimum:
      return Reduction::bit_and;
    default:
      return reduction;
  }
}

}  // namespace

void MANTA_REDUCE_NAME(DataType type, Reduction reduction, void* out, const void* const* inputs, int ranks,
                       size_t count) {
  switch (type) {
    case DataType::u8:
      return reduce_integers<uint8_t>(reduction, out, inputs, ranks, count);
    case DataType::i8:
      return reduce_integers<int8_t>(reduction, out, inputs, ranks, count);
    case DataType::i16:
      return reduce_integers<int16_t>(reduction, out, inputs, ranks, count);
    case DataType::i32:
      return reduce_integers<int32_t>(reduction, out, inputs, ranks, count);
    case DataType::i64:
      return reduce_integers<int64_t>(reduction, out, inputs, ranks, count);
    case DataType::f16:
      return reduce_floating<Half>(reduction, out, inputs, ranks, count);
    case DataType::bf16:
      return reduce_floating<BFloat>(reduction, out, inputs, ranks, count);
    case DataType::f32:
      return reduce_floating<float>(reduction, out, inputs, ranks, count);
    case DataType::f64:
      return reduce_floating<double>(reduction, out, inputs, ranks, count);
    case DataType::boolean:
      return reduce_integers<uint8_t>(of_booleans(reduction), out, inputs, ranks, count);
  }
}

}  // namespace manta::collective
