// Which combination of the grids comes next: an odometer whose wheels the space function finds while it is called.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace manta::tune::detail {

// Combinations are visited depth first: the last wheel that can turn does, those behind it start anew, and may be
// others.
//
// Threading: one thread. Used as begin, take or put for each grid() of a trial, end.
class GridWalk {
 public:
  void begin() { used_ = 0; }
  // The place of the next grid's value.
  std::size_t take(std::string_view name, std::size_t size);
  // The same for a trial of an earlier run, whose place is known.
  void put(std::string_view name, std::size_t size, std::size_t at);
  // Turns to the next combination. True: that was the last one, they start anew (so it is for a space without grids).
  bool end();
  // Whether there has been a grid.
  bool any() const { return any_; }

 private:
  struct Wheel {
    std::string name;
    std::size_t size = 0;
    std::size_t at = 0;
  };

  std::vector<Wheel> wheels_;
  std::size_t used_ = 0;  // in this trial so far
  bool any_ = false;
};

}  // namespace manta::tune::detail
