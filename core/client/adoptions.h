// Actors that this process has found by their names, while their owners are asked for handles.
//
// Threading: with the owner's mutex. Ownership: none.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include <manta/ids.h>

namespace manta::client {

class Adoptions {
 public:
  std::uint64_t ask(ClientId owner) {
    asked_[++last_] = {owner, std::nullopt};
    return last_;
  }
  void answered(std::uint64_t request, bool alive) {
    const auto it = asked_.find(request);
    if (it != asked_.end()) it->second.alive = alive;
  }
  // Owners that are dead do not answer.
  void died(const std::function<bool(ClientId)>& dead) {
    for (auto& [request, question] : asked_) {
      if (!question.alive && dead(question.owner)) question.alive = false;
    }
  }
  bool has_answer(std::uint64_t request) const { return asked_.at(request).alive.has_value(); }
  // False also where there is no answer.
  bool take(std::uint64_t request) {
    const bool alive = asked_.at(request).alive.value_or(false);
    asked_.erase(request);
    return alive;
  }

 private:
  struct Question {
    ClientId owner;
    std::optional<bool> alive;
  };
  std::map<std::uint64_t, Question> asked_;
  std::uint64_t last_ = 0;
};

}  // namespace manta::client
