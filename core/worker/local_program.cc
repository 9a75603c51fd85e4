#include "core/worker/local_program.h"

#include <chrono>

#include "core/base/log.h"

namespace manta::worker {

namespace {

constexpr std::chrono::seconds kGeneratorsEndWithin{2};

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
  while (workers_.run_next()) continue;
  driver_.shut_down();
  if (workers_.finish(client::Client::Clock::now() + kGeneratorsEndWithin)) return true;
  log::warn("the runtime has ended, but a generator of this program still runs; it goes on until the program ends");
  return false;
}

}  // namespace manta::worker
