// Requests that a callable computes together.
#pragma once

#include <cstddef>
#include <span>

namespace manta::serve {

/// The parameter of a callable that computes several requests together. The callable returns a std::vector with one
/// answer for each request, in order: an R, or a manta::Result<R> if requests can fail one by one. If the callable
/// throws, the replica tries the requests one by one, so that only the bad ones fail.
///
/// **Threading**: one thread. **Ownership**: refers to requests that live as long as the call.
///
///     std::vector<int> operator()(const serve::Batch<Digit>& digits);
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
