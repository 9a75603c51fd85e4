// Placement groups: made and removed by the head.
//
// Threading: any thread, without the owner's mutex; create() waits for the head. Ownership: what it is made with must
// outlive it.
#pragma once

#include <cstdint>
#include <vector>

#include "core/client/answers.h"
#include "core/client/process_state.h"
#include "core/client/to_node.h"

namespace manta::client {

class Groups {
 public:
  Groups(ProcessState& state, ToNode& node) : state_(state), node_(node) {}

  // Its number. Throws Error.
  std::uint64_t create(std::vector<net::WireResources> bundles, std::uint8_t strategy);
  void remove(std::uint64_t group) { node_.send(net::RemoveGroup{group}); }

  // --- the reading thread
  void answered(const net::GroupMade& answer);
  // The node is gone.
  void connection_ended() { changed_.notify_all(); }

 private:
  ProcessState& state_;
  ToNode& node_;
  Answers<net::GroupMade> made_ MANTA_GUARDED_BY(owner_mutex);
  CondVar changed_;
};

}  // namespace manta::client
