// Effects of an owner for tests that look at few of them: the rest does nothing.
#pragma once

#include <string>
#include <vector>

#include "core/owner/owner.h"

namespace manta::owner {

class QuietEffects : public OwnerEffects {
 public:
  bool restore(Entry&) override { return false; }
  std::string not_spilled() const override { return {}; }
  void unused(const StoredLocation&) override {}
  void arena_unused(ClientId) override {}
  void replicate(std::vector<Replica>) override {}
  void withdraw(std::vector<ObjectId>) override {}
  void tried_again(const std::string&, std::uint32_t, const std::string&) override {}
  void restarts(const Restart&) override {}
  void unread_failure(const std::string&, const Error&) override {}
  void stop_task(ClientId, const TaskId&, const Cancellation&) override {}
  void drop_name(const std::string&, const ObjectId&) override {}
  void resolved(Entry&) override {}
};

}  // namespace manta::owner
