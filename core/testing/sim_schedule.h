// Virtual time: what happens next, and when.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "core/testing/sim_trace.h"

namespace manta::sim {

// A heap of actions; equal times run in the order of scheduling.
//
// Threading: none. Actions that capture no more than two pointers cost no allocation.
class Schedule {
 public:
  using Action = std::function<void()>;

  Time now() const { return now_; }
  void after(Time delay, Action action) { at(now_ + delay, std::move(action)); }
  void at(Time time, Action action) {
    heap_.push_back({std::max(time, now_), next_++, std::move(action)});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  // Runs the earliest; false: nothing is left.
  bool run_one() {
    if (heap_.empty()) return false;
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Item item = std::move(heap_.back());
    heap_.pop_back();
    now_ = item.at;
    item.action();
    return true;
  }
  Time next_at() const { return heap_.empty() ? Time::max() : heap_.front().at; }

 private:
  struct Item {
    Time at;
    std::uint64_t order;
    Action action;
  };
  static bool later(const Item& a, const Item& b) { return a.at != b.at ? a.at > b.at : a.order > b.order; }

  std::vector<Item> heap_;
  Time now_{0};
  std::uint64_t next_ = 0;
};

}  // namespace manta::sim
