// The memory monitor: looks now and then, and ends the right worker first.
#include <algorithm>
#include <cstdio>

#include "core/base/log.h"
#include "core/node/daemon.h"
#include "core/node/daemon_client.h"
#include "core/node/memory_monitor.h"

namespace manta::node {

namespace {
constexpr std::chrono::milliseconds kSoonest{50}, kLatest{1000};
constexpr double kFilledPerMillisecond = 4 << 20;  // faster than processes touch new memory
}  // namespace

void Daemon::watch_memory() {
  if (config_.memory_threshold <= 0) return;
  memory_timer_.expires_after(until_next_look_);
  memory_timer_.async_wait([this](boost::system::error_code error) {
    if (error || stopping_) return;
    look_at_memory();
    watch_memory();
  });
}

void Daemon::look_at_memory() {
  loop_thread_.assert_current();
  if (!ended_for_memory_.empty()) return;  // what it used is not free yet
  MemoryUse use;
  if (config_.memory_limit_bytes > 0) {
    use = {page_->store.used_bytes.load(), config_.memory_limit_bytes};
    for (const auto& [id, client] : clients_) {
      if (id != driver_ && client->process > 0) use.used_bytes += read_private_bytes(client->process);
    }
  } else if (const auto read = Container().memory_use()) {
    use = *read;
  }
  until_next_look_ = kLatest;
  if (use.total_bytes == 0) return;  // not to be read here
  const double most = config_.memory_threshold * static_cast<double>(use.total_bytes);
  const double room = std::max(most - static_cast<double>(use.used_bytes), 0.0);
  const auto full_in = static_cast<std::int64_t>(room / kFilledPerMillisecond);
  until_next_look_ = std::clamp(std::chrono::milliseconds(full_in), kSoonest, kLatest);
  if (!use.above(config_.memory_threshold)) return;
  std::vector<MemoryUser> users;
  for (const sched::Occupant& worker : scheduler_.occupants()) {
    const Client* client = find(worker.worker);
    if (client != nullptr && client->process > 0) users.push_back({worker, read_private_bytes(client->process)});
  }
  const ClientId chosen = choose_to_end(users);
  if (!chosen) return;
  std::uint64_t bytes = 0;
  for (const MemoryUser& user : users) bytes = user.worker.worker == chosen ? user.bytes : bytes;
  char threshold[32];
  std::snprintf(threshold, sizeof threshold, "%g", config_.memory_threshold);
  const std::string who = config_.memory_limit_bytes > 0 ? "workers and store on " + host_ : host_ + " in all";
  const std::string status = "was ended because memory ran short: it used " + sched::bytes_to_string(bytes) + ", " +
                             who + " " + sched::bytes_to_string(use.used_bytes) + " of " +
                             sched::bytes_to_string(use.total_bytes) + " (MANTA_MEMORY_THRESHOLD " + threshold +
                             "); use less at a time, or let TaskOptions::memory_bytes book it";
  log::warn("worker process ", find(chosen)->process, " ", status);
  ended_for_memory_[chosen] = status;
  kill_worker(chosen);
}

}  // namespace manta::node
