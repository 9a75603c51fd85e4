#include "core/node/memory_watch.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "core/base/log.h"
#include "core/node/container.h"

namespace manta::node {

namespace {

constexpr std::chrono::milliseconds kSoonest{50}, kLatest{1000};
constexpr double kFilledPerMillisecond = 4 << 20;  // faster than processes touch new memory

}  // namespace

MemoryWatch::MemoryWatch(boost::asio::io_context& io, Limits limits, Connections& connections, Workers& workers,
                         Occupants occupants)
    : timer_(io),
      limits_(std::move(limits)),
      connections_(connections),
      workers_(workers),
      occupants_(std::move(occupants)) {}

void MemoryWatch::start() {
  if (limits_.threshold <= 0) return;
  timer_.expires_after(until_next_look_);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    look();
    start();
  });
}

MemoryUse MemoryWatch::use() const {
  if (limits_.limit_bytes == 0) return Container().memory_use().value_or(MemoryUse());
  MemoryUse use{connections_.page().store.used_bytes.load(), limits_.limit_bytes};
  for (const auto& [id, connection] : connections_.all()) {
    if (!connection->driver && connection->process > 0) use.used_bytes += read_private_bytes(connection->process);
  }
  return use;
}

void MemoryWatch::look() {
  loop_thread_.assert_current();
  if (workers_.ending_for_memory()) return;
  const MemoryUse now = use();
  until_next_look_ = kLatest;
  if (now.total_bytes == 0) return;  // not to be read here
  const double most = limits_.threshold * static_cast<double>(now.total_bytes);
  const double space = std::max(most - static_cast<double>(now.used_bytes), 0.0);
  const auto full_in = static_cast<std::int64_t>(space / kFilledPerMillisecond);
  until_next_look_ = std::clamp(std::chrono::milliseconds(full_in), kSoonest, kLatest);
  if (!now.above(limits_.threshold)) return;
  std::vector<MemoryUser> users;
  for (const sched::Occupant& worker : occupants_()) {
    const Connection* connection = connections_.find(worker.worker);
    if (connection == nullptr || connection->process <= 0) continue;
    users.push_back({worker, read_private_bytes(connection->process)});
  }
  const ClientId chosen = choose_to_end(users);
  if (!chosen) return;
  std::uint64_t bytes = 0;
  for (const MemoryUser& user : users) bytes = user.worker.worker == chosen ? user.bytes : bytes;
  char threshold[32];
  std::snprintf(threshold, sizeof threshold, "%g", limits_.threshold);
  const std::string all = limits_.limit_bytes > 0 ? "workers and store on " + limits_.host : limits_.host + " in all";
  const std::string status = "was ended because memory ran short: it used " + sched::bytes_to_string(bytes) + ", " +
                             all + " " + sched::bytes_to_string(now.used_bytes) + " of " +
                             sched::bytes_to_string(now.total_bytes) + " (MANTA_MEMORY_THRESHOLD " + threshold +
                             "); use less at a time, or let TaskOptions::memory_bytes book it";
  log::warn("worker process ", connections_.find(chosen)->process, " ", status);
  workers_.end_for_memory(chosen, status);
}

}  // namespace manta::node
