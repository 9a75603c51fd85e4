// Looks at the memory of the node now and then, and ends the right worker before the kernel ends another process.
//
// Threading: the loop's. Ownership: connections, workers and the functions must outlive it.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/base/loop_thread.h"
#include "core/node/connections.h"
#include "core/node/memory_monitor.h"
#include "core/node/workers.h"

namespace manta::node {

class MemoryWatch {
 public:
  struct Limits {
    double threshold = 0;           // of the memory in use; 0: nothing is watched
    std::uint64_t limit_bytes = 0;  // of workers and the store together; 0: the memory of the machine counts
    std::string host;               // for people
  };
  using Occupants = std::function<std::vector<sched::Occupant>()>;

  MemoryWatch(boost::asio::io_context& io, Limits limits, Connections& connections, Workers& workers,
              Occupants occupants);
  void start();

 private:
  MemoryUse use() const;
  void look();

  [[no_unique_address]] LoopThread loop_thread_;
  boost::asio::steady_timer timer_;
  Limits limits_;
  Connections& connections_;
  Workers& workers_;
  Occupants occupants_;
  std::chrono::milliseconds until_next_look_{50};  // as soon as the memory could be full
};

}  // namespace manta::node
