#include "tune/space/grid_walk.h"

namespace manta::tune::detail {

std::size_t GridWalk::take(std::string_view name, std::size_t size) {
  any_ = true;
  // Another grid than in the trial before: a condition has changed, and all from here on are new.
  if (used_ < wheels_.size() && (wheels_[used_].name != name || wheels_[used_].at >= size)) wheels_.resize(used_);
  if (used_ == wheels_.size()) wheels_.push_back({std::string(name), size, 0});
  wheels_[used_].size = size;
  return wheels_[used_++].at;
}

void GridWalk::put(std::string_view name, std::size_t size, std::size_t at) {
  any_ = true;
  wheels_.resize(used_);
  wheels_.push_back({std::string(name), size, at});
  ++used_;
}

bool GridWalk::end() {
  wheels_.resize(used_);
  while (!wheels_.empty() && wheels_.back().at + 1 >= wheels_.back().size) wheels_.pop_back();
  if (wheels_.empty()) return true;
  ++wheels_.back().at;
  return false;
}

}  // namespace manta::tune::detail
