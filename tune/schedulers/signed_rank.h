// Wilcoxon's signed-rank test.
//
// Threading: any. Ownership: none.
#pragma once

#include <span>

namespace manta::tune::detail {

// The probability of so large a sum of the ranks of positive differences, where their signs are drawn at random. Half
// of the ranks of zeros count as positive (`zsplit`). Exact up to 50 differences without ties and zeros, and up to 13
// with them; else by the normal distribution, without a correction for continuity, as SciPy has it.
double signed_rank_p(std::span<const double> differences);

}  // namespace manta::tune::detail
