// Several requests at once.
#pragma once

#include <cstddef>
#include <span>

namespace manta::serve {

// What a callable takes that computes several requests together: it returns a std::vector with an answer for each, in
// order, of R or of manta::Result<R> where some may fail alone. If it throws, the requests are tried one by one, so that
// only the bad ones fail.
//
//   std::vector<int> operator()(const serve::Batch<Digit>& digits);
template <class A>
class Batch {
 public:
  explicit Batch(std::span<const A> requests) : requests_(requests) {}
  std::size_t size() const { return requests_.size(); }
  const A& operator[](std::size_t i) const { return requests_[i]; }
  auto begin() const { return requests_.begin(); }
  auto end() const { return requests_.end(); }

 private:
  std::span<const A> requests_;
};

}  // namespace manta::serve
