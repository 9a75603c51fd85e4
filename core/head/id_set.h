// A set of numbers that mostly come in runs, such as ids that were ever used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>

namespace manta::head {

// Keeps runs, not numbers: ids counted up by a node take one entry, however many there were.
class IdSet {
 public:
  bool contains(std::uint64_t id) const {
    const auto after = runs_.upper_bound(id);
    return after != runs_.begin() && std::prev(after)->second >= id;
  }

  void insert(std::uint64_t id) {
    if (contains(id)) {
      return;
    }
    auto after = runs_.upper_bound(id);
    std::uint64_t last = id;
    if (after != runs_.end() && after->first == id + 1) {
      last = after->second;
      after = runs_.erase(after);
    }
    if (after != runs_.begin() && std::prev(after)->second + 1 == id) {
      std::prev(after)->second = last;
    } else {
      runs_.emplace_hint(after, id, last);
    }
  }

  std::size_t runs() const { return runs_.size(); }

 private:
  std::map<std::uint64_t, std::uint64_t> runs_;  // first to last, apart by at least one
};

}  // namespace manta::head
