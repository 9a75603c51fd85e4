// GET /metrics: the text format of Prometheus, under Triton's names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "serve/server/app.h"

namespace manta::serve {

struct ServerCounts {
  std::size_t connections = 0;
  std::map<int, std::uint64_t> responses;  // by status
};

std::string metrics_of(const std::vector<const App*>& apps, const ServerCounts& server);

}  // namespace manta::serve
