// A study in words.
#pragma once

#include <string>

#include <manta/tune/trial_record.h>

namespace manta::tune::detail {

class Study;

// A metric's value: six digits.
std::string value_text(double value);
// "rate=0.01 kernel=rbf"; at most `width` characters, 0: all of it.
std::string params_text(const TrialRecord& trial, std::size_t width = 0);
// "12.3 s", "3 min 20 s"
std::string duration_text(double seconds);
// "37 of 300 trials: 34 complete, 1 failed, 2 running"
std::string counts_text(const Study& study);
// "best: accuracy 0.9716, trial 12: C=1.2 gamma=0.001"; empty: none yet
std::string best_text(const Study& study);

// front: trials on the Pareto front.
std::string summary_of(const Study& study, std::size_t front, bool interrupted, const std::string& why_ended,
                       double seconds);

}  // namespace manta::tune::detail
