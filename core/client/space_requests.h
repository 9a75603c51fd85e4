// Requests to the node that other processes make space in the store, and their answers, which threads wait for.
//
// Threading: any thread. Ownership: none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "core/base/mutex.h"
#include "core/client/to_node.h"
#include "core/net/messages.h"

namespace manta::client {

class SpaceRequests {
 public:
  explicit SpaceRequests(ToNode& node) : node_(node) {}

  // How many bytes the others have made, or will have when messages on their way have arrived. Blocks until the node
  // answers, for some seconds at most: not in the thread that reads its messages.
  std::uint64_t ask(std::uint64_t bytes);
  // The same without an answer.
  void ask_only(std::uint64_t bytes) { node_.send(net::NeedSpace{0, bytes}); }
  void answered(const net::SpaceMade& made);
  // The node is gone.
  void close();

 private:
  ToNode& node_;
  Mutex mutex_;
  CondVar arrived_;
  std::map<std::uint64_t, std::optional<std::uint64_t>> answers_ MANTA_GUARDED_BY(mutex_);
  std::uint64_t last_ MANTA_GUARDED_BY(mutex_) = 0;
  bool closed_ MANTA_GUARDED_BY(mutex_) = false;
};

}  // namespace manta::client
