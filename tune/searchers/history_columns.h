// The values of the parameters that all trials of a study have, by parameter, so that a searcher need not look them up
// by name for each suggestion.
//
// Threading: one thread. Ownership: copies what it reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <manta/tune/trial_record.h>

namespace manta::tune::detail {

// A parameter that all trials have, with the same distribution each time. Trials that have failed, or of which no
// parameters are known, do not count: those of other programs may have ended before they had all.
struct Column {
  std::string name;
  Distribution distribution;
  std::vector<double> numbers;       // by trial; NaN of one that does not count
  std::vector<double> scaled;        // the same as Scale has them; choices as they are
  std::vector<std::uint32_t> order;  // trials that count, by their numbers, then by their age
};

class HistoryColumns {
 public:
  // Takes over what is new since the last call.
  void update(std::span<const TrialRecord> trials);
  // In the order in which the first trial asked for them.
  const std::vector<Column>& columns() const { return columns_; }
  // Counts up whenever a column goes.
  int version() const { return version_; }

 private:
  void take(const TrialRecord& trial);

  std::vector<Column> columns_;
  std::vector<std::size_t> without_;  // trials that run, and of which no parameters were known
  std::size_t seen_ = 0;
  bool any_ = false;
  int version_ = 0;
};

const Param* find_param(const TrialRecord& trial, std::string_view name);

}  // namespace manta::tune::detail
