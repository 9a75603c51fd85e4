// What a driver tells the node process that it starts. The first packet on their control socket.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/net/messages.h"

namespace manta::node {

struct NodeConfig {
  net::WireResources total;
  std::uint64_t store_capacity_bytes = 0;
  std::int64_t spin_ns = 0;
  std::uint32_t max_workers = 4096;
  std::uint32_t warm_workers = 0;
  bool exec_workers = false;
  bool log_to_driver = true;  // what workers print goes to the driver; else where the node process prints
  std::string spill_directory;
  double memory_threshold = 0.95;        // of the memory in use: above it workers are ended; 0: never
  std::uint64_t memory_limit_bytes = 0;  // of workers and the store together; 0: the memory of the machine counts
  // Device i of the node, as CUDA_VISIBLE_DEVICES names it ("3", "GPU-8f2c...").
  std::vector<std::string> gpu_names;
  // Where other nodes may join, and where this one joins, "HOST:PORT"; at most one of them, else both empty.
  std::string listen;
  std::string join;
  std::string secret;  // of the cluster
};

}  // namespace manta::node
