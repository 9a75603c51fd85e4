// What searchers share that walk a sequence of points with one coordinate for each parameter.
//
// Threading: one thread. Ownership: it owns its coordinates.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <manta/tune/searcher.h>

#include "tune/searchers/scale.h"

namespace manta::tune::detail {

// The coordinates of the parameters of a study, by the order in which its trials asked for them first. A Coordinate has
// double point(index), in [0, 1).
template <class Coordinate>
class Sequence {
 public:
  // Takes over the names of trials that are new.
  template <class Make>
  void update(const History& history, const Make& make) {
    for (; seen_ < history.trials.size(); ++seen_) {
      for (const Param& param : history.trials[seen_].params) {
        if (!param.distribution.grid) (void)coordinate(param.name, make);
      }
    }
  }
  // make(n) makes the n-th coordinate.
  template <class Make>
  double number(std::int64_t trial, std::string_view name, const Distribution& distribution, const Make& make) {
    const double share = coordinate(name, make).point(static_cast<std::uint64_t>(trial));
    if (distribution.kind != Distribution::Kind::categorical) return Scale(distribution).number_at(share);
    const auto size = static_cast<double>(distribution.choices->size());
    return std::min(std::floor(share * size), size - 1);
  }

 private:
  template <class Make>
  const Coordinate& coordinate(std::string_view name, const Make& make) {
    const auto known = coordinates_.find(name);
    if (known != coordinates_.end()) return known->second;
    return coordinates_.emplace(std::string(name), make(coordinates_.size())).first->second;
  }

  std::map<std::string, Coordinate, std::less<>> coordinates_;
  std::size_t seen_ = 0;  // trials whose names are known
};

}  // namespace manta::tune::detail
