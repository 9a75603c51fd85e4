// Values of several ranks to one.
#pragma once

#include <cstddef>

#include <manta/collective.h>

namespace manta::collective {

// out[i] = inputs[0][i] op inputs[1][i] op ..., from left to right; 16-bit floating-point values are added up as float
// and rounded once. out may be one of the inputs; else nothing overlaps. ranks: at least 1.
void reduce_values(DataType type, Reduction reduction, void* out, const void* const* inputs, int ranks,
                   std::size_t count);

// Throws Error(invalid_argument) where the type has no such reduction.
void require_reducible(DataType type, Reduction reduction);

// The same loops, compiled for any processor of the architecture, and for those with AVX2 and F16C.
void reduce_anywhere(DataType type, Reduction reduction, void* out, const void* const* inputs, int ranks,
                     std::size_t count);
void reduce_avx2(DataType type, Reduction reduction, void* out, const void* const* inputs, int ranks,
                 std::size_t count);

}  // namespace manta::collective
