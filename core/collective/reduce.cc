#include "core/collective/reduce.h"

#include <string>

namespace manta::collective {

std::size_t size_of(DataType type) {
  switch (type) {
    case DataType::u8:
    case DataType::i8:
    case DataType::boolean:
      return 1;
    case DataType::i16:
    case DataType::f16:
    case DataType::bf16:
      return 2;
    case DataType::i32:
    case DataType::f32:
      return 4;
    case DataType::i64:
    case DataType::f64:
      return 8;
  }
  return 1;
}

std::string_view to_string(DataType type) {
  static constexpr std::string_view kNames[] = {"u8",  "i8",   "i16", "i32", "i64",
                                                "f16", "bf16", "f32", "f64", "boolean"};
  const auto index = static_cast<std::size_t>(type);
  return index < std::size(kNames) ? kNames[index] : "unknown type";
}

std::string_view to_string(Reduction reduction) {
  static constexpr std::string_view kNames[] = {"sum",     "average", "product", "minimum",
                                                "maximum", "bit_and", "bit_or",  "bit_xor"};
  const auto index = static_cast<std::size_t>(reduction);
  return index < std::size(kNames) ? kNames[index] : "unknown reduction";
}

void require_reducible(DataType type, Reduction reduction) {
  const bool floating =
      type == DataType::f16 || type == DataType::bf16 || type == DataType::f32 || type == DataType::f64;
  const bool bitwise =
      reduction == Reduction::bit_and || reduction == Reduction::bit_or || reduction == Reduction::bit_xor;
  if (floating ? !bitwise : reduction != Reduction::average) return;
  throw Error(ErrorCode::invalid_argument,
              "collective group: values of type " + std::string(to_string(type)) + " have no reduction " +
                  std::string(to_string(reduction)) +
                  (floating ? "; it is for integers and booleans" : "; it is for floating-point types"));
}

void reduce_values(DataType type, Reduction reduction, void* out, const void* const* inputs, int ranks,
                   std::size_t count) {
#ifdef MANTA_REDUCE_AVX2
  static const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("f16c") != 0;
  if (avx2) return reduce_avx2(type, reduction, out, inputs, ranks, count);
#endif
  reduce_anywhere(type, reduction, out, inputs, ranks, count);
}

}  // namespace manta::collective
