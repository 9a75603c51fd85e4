// Answers of the node that threads of this process wait for.
//
// Threading: with the owner's mutex. Ownership: none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace manta::client {

template <class Answer>
class Answers {
 public:
  // The number of a new request.
  std::uint64_t expect() {
    expected_[++last_];
    return last_;
  }
  void arrived(const Answer& answer) {
    const auto it = expected_.find(answer.request);
    if (it != expected_.end()) it->second = answer;
  }
  bool has(std::uint64_t request) const { return expected_.at(request).has_value(); }
  // Empty: there is none. It is not expected any more.
  std::optional<Answer> take(std::uint64_t request) {
    std::optional<Answer> answer = std::move(expected_.at(request));
    expected_.erase(request);
    return answer;
  }

 private:
  std::map<std::uint64_t, std::optional<Answer>> expected_;
  std::uint64_t last_ = 0;
};

}  // namespace manta::client
