// Shows in the driver what the job's workers print: "(square pid=1234) text", of other nodes with their host, the
// prefix in colour on a terminal. Lines go through stdio's stdout and stderr, so they do not mix with the program's.
//
//   PRINT-1  only its own thread writes: where the driver's output is not read, that thread blocks, and at some point
//            the workers in their prints (OUT-2), but no other thread of the driver
//   PRINT-2  end() returns when everything that was added before has been written
//
// Threading: add, drained, node_lost from the thread that reads the node's messages; the rest from any thread. The
// printing thread exists from the first line on. Ownership: the edge's functions must work until end().
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <manta/ids.h>

#include "core/base/mutex.h"
#include "core/net/messages.h"
#include "core/observe/output_folder.h"

namespace manta::observe {

class OutputPrinter {
 public:
  struct Edge {
    std::function<void(NodeId, std::uint64_t)> taken;         // so many bytes of the node are written
    std::function<std::string(std::uint64_t)> function_name;  // for people
  };

  // own: the driver's node, of which the host is not named.
  OutputPrinter(NodeId own, bool fold, Edge edge);
  ~OutputPrinter();
  OutputPrinter(const OutputPrinter&) = delete;
  OutputPrinter& operator=(const OutputPrinter&) = delete;

  void add(net::OutputText text);
  void drained(NodeId node);
  // Of the driver's node, or another.
  void node_lost(NodeId node);
  // Until each of the nodes has been drained or lost, or the deadline.
  void wait_drained(const std::vector<NodeId>& nodes, std::chrono::steady_clock::time_point deadline);
  // Shows what is folded too.
  void end();

 private:
  void run();
  void print(net::OutputText text, std::vector<OutputFolder::Line>& shown);
  void write(const std::vector<OutputFolder::Line>& lines);
  bool all_drained(const std::vector<NodeId>& nodes) const MANTA_REQUIRES(mutex_);
  OutputFolder::Time now() const { return std::chrono::steady_clock::now() - start_; }

  const NodeId own_;
  const Edge edge_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const bool colour_[2];  // stdout, stderr
  OutputFolder folder_;   // the thread's

  Mutex mutex_;
  CondVar events_;
  CondVar drained_changed_;
  std::deque<net::OutputText> queue_ MANTA_GUARDED_BY(mutex_);
  std::set<NodeId> drained_ MANTA_GUARDED_BY(mutex_);
  bool ending_ MANTA_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace manta::observe
