#include "tests/stress/chaos.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "core/client/client.h"
#include "tests/stress/effects.h"

namespace manta::stress {

Killer::Killer(std::uint64_t seed, Pauses pauses, std::optional<std::uint32_t> at_work)
    : thread_([this, seed, pauses, at_work] { kill_at_random(seed, pauses, at_work); }) {}

void Killer::stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void Killer::kill_at_random(std::uint64_t seed, Pauses pauses, std::optional<std::uint32_t> at_work) {
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<std::int64_t> pause(pauses.shortest.count(), pauses.longest.count());
  const int node = Family::node_process();
  while (!stop_) {
    std::this_thread::sleep_for(std::chrono::milliseconds(pause(random)));
    int victim = Family::victim(node, random());
    if (at_work && random() % 4 != 0) {  // of many workers few have work
      const int running = static_cast<int>(Effects::mark(*at_work));
      if (Family::is_worker(node, running)) victim = running;
    }
    if (victim > 0 && !stop_ && ::kill(victim, SIGKILL) == 0) ++kills_;
  }
}

Holdings Holdings::now(int node) {
  return {Family::descriptors(::getpid()),
          Family::descriptors(node),
          Family::mappings(::getpid()),
          Family::mappings(node),
          client::Client::current()->page().store.used_bytes.load(),
          Family::count(node)};
}

void Holdings::print(const char* when) const {
  std::printf(
      "%s: driver %zu descriptors, %zu mappings; node process %zu descriptors, %zu mappings, %d children; store "
      "%zu bytes\n",
      when, descriptors, mappings, node_descriptors, node_mappings, children, store_bytes);
}

bool Holdings::within(const Holdings& before) const {
  const auto more = static_cast<std::size_t>(std::max(0, children - before.children));
  return descriptors <= before.descriptors + 2 * more && mappings <= before.mappings + 3 * more &&
         node_descriptors <= before.node_descriptors + 3 * more && node_mappings <= before.node_mappings &&
         store_bytes <= before.store_bytes;
}

}  // namespace manta::stress
