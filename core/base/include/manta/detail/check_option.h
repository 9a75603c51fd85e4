/// Options are checked where they enter. For Manta's libraries, not for users.
#pragma once

#include <limits>
#include <string_view>

namespace manta::detail {

inline constexpr double kNoBound = std::numeric_limits<double>::max();

/// Throws Error(invalid_argument), which names the field ("TunerConfig::cpus_per_trial"), its value and what is
/// allowed, unless least <= value <= most. NaN and infinity never are.
void check_option(std::string_view field, double value, double least, double most = kNoBound);
/// The same where value must be more than 0.
void check_positive(std::string_view field, double value);

}  // namespace manta::detail
