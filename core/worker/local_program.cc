#include "core/worker/local_program.h"

#include <chrono>

#include "core/base/log.h"

namespace manta::worker {

namespace {

constexpr std::chrono::seconds kTasksEndWithin{2};

}  // namespace

void LocalProgram::begin(client::Client& client) {
  driver_.begin(client);
  workers_.attach(client);
}

void LocalProgram::connection_ended() {
  workers_.connection_ended();
  driver_.connection_ended();
}

bool LocalProgram::shut_down() {
  const auto drained_by = client::Client::Clock::now() + kTasksEndWithin;
  while (client::Client::Clock::now() < drained_by && workers_.run_next()) continue;
  driver_.shut_down();
  if (workers_.finish(client::Client::Clock::now() + kTasksEndWithin)) return true;
  log::warn("the runtime has ended, but a task of this program still runs; it goes on until the program ends");
  return false;
}

}  // namespace manta::worker
