// What a ring costs between two processes: nanoseconds a record. JSON lines; a warm-up, then the median of five runs.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <vector>

#include "tests/core/net/shared_ring.h"

namespace manta::net {
namespace {

using Clock = std::chrono::steady_clock;

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core % static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)), &set);
  (void)sched_setaffinity(0, sizeof(set), &set);
}

void pause() { __builtin_ia32_pause(); }

constexpr std::uint32_t kStop = 1;

void fill(Record& record, std::uint64_t value, std::uint32_t payload_bytes, std::uint32_t flag = 0) {
  record.kind = PayloadKind::bytes;
  record.flags = 0;
  record.attempt = 1;
  record.size_bytes = payload_bytes;
  record.ref_mask = flag;
  record.function = 42;
  record.task = {value, value};
  std::memset(record.payload, static_cast<int>(value), payload_bytes);
}

// Serves until a record with kStop comes. spin: looks that often in vain before it sleeps; -1: never sleeps.
// notify_each: tells the submitter of each record; otherwise when there is nothing more to do.
void serve(SharedRing& ring, int spin, bool notify_each) {
  RingWorker worker = ring.worker();
  for (;;) {
    Record* record = worker.claim();
    if (record == nullptr && !notify_each) worker.flush();
    for (int i = 0; record == nullptr && (spin < 0 || i < spin); ++i) {
      pause();
      record = worker.claim();
    }
    while (record == nullptr) {
      const std::uint32_t seen = ring.worker_bell().rings.load();
      if (worker.stop_looking()) ring.worker_bell().sleep(seen, Clock::now() + std::chrono::seconds(5));
      ring.worker_bell().take();
      record = worker.claim();
    }
    const bool stop = record->ref_mask == kStop;
    record->size_bytes = 8;
    std::memcpy(record->payload, &record->task.low, 8);
    worker.finish(*record, notify_each || stop);
    if (stop) return;
  }
}

Record* wait_done(SharedRing& ring, RingSubmitter& submitter, int spin) {
  Record* record = submitter.front_done();
  for (int i = 0; record == nullptr && (spin < 0 || i < spin); ++i) {
    pause();
    record = submitter.front_done();
  }
  while (record == nullptr) {
    const std::uint32_t seen = ring.submitter_bell().rings.load();
    if (submitter.stop_looking()) ring.submitter_bell().sleep(seen, Clock::now() + std::chrono::seconds(5));
    ring.submitter_bell().take();
    record = submitter.front_done();
  }
  return record;
}

std::uint64_t g_sink = 0;

void take_result(RingSubmitter& submitter, const Record& record) {
  g_sink += static_cast<std::uint64_t>(payload_of(record)->front()) + record.task.low;
  submitter.free_front();
}

void round_trips(SharedRing& ring, RingSubmitter& submitter, std::uint64_t count, int spin, std::uint32_t bytes) {
  for (std::uint64_t i = 0; i < count; ++i) {
    Record* record = submitter.reserve();
    fill(*record, i, bytes);
    submitter.publish(*record);
    take_result(submitter, *wait_done(ring, submitter, spin));
  }
}

void stream(SharedRing& ring, RingSubmitter& submitter, std::uint64_t count, std::uint32_t bytes) {
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  while (received < count) {
    for (Record* record; sent < count && (record = submitter.reserve()) != nullptr; ++sent) {
      fill(*record, sent, bytes);
      submitter.publish(*record);
    }
    // One look for all, then all that is done.
    Record* record = wait_done(ring, submitter, 2000);
    for (; record != nullptr; record = submitter.front_done(), ++received) take_result(submitter, *record);
  }
}

void measure(const char* name, std::uint64_t count, int worker_spin, bool notify_each,
             const std::function<void(SharedRing&, RingSubmitter&, std::uint64_t)>& run) {
  SharedRing ring;
  const pid_t child = fork();
  if (child == 0) {
    pin(1);
    serve(ring, worker_spin, notify_each);
    _exit(0);
  }
  pin(0);
  RingSubmitter submitter = ring.submitter();
  std::vector<double> nanoseconds;
  for (int i = 0; i < 6; ++i) {
    const auto begin = Clock::now();
    run(ring, submitter, count);
    const std::chrono::duration<double, std::nano> took = Clock::now() - begin;
    if (i > 0) nanoseconds.push_back(took.count() / static_cast<double>(count));
  }
  Record* last = submitter.reserve();
  fill(*last, 0, 8, kStop);
  submitter.publish(*last);
  waitpid(child, nullptr, 0);
  std::sort(nanoseconds.begin(), nanoseconds.end());
  std::printf("{\"bench\": \"%s\", \"ns\": %.1f, \"min\": %.1f, \"max\": %.1f, \"per_second\": %.0f}\n", name,
              nanoseconds[2], nanoseconds.front(), nanoseconds.back(), 1e9 / nanoseconds[2]);
  std::fflush(stdout);
}

}  // namespace
}  // namespace manta::net

int main() {
  using namespace manta::net;
  for (const std::uint32_t bytes : {8u, 88u}) {
    const auto trips = [bytes](int spin) {
      return [=](SharedRing& ring, RingSubmitter& submitter, std::uint64_t count) {
        round_trips(ring, submitter, count, spin, bytes);
      };
    };
    const auto one_way = [bytes](SharedRing& ring, RingSubmitter& submitter, std::uint64_t count) {
      stream(ring, submitter, count, bytes);
    };
    std::printf("{\"payload_bytes\": %u}\n", bytes);
    measure("round trip, both spin", 300000, -1, true, trips(-1));
    measure("round trip, worker spins, submitter sleeps", 50000, -1, true, trips(0));
    measure("round trip, both sleep", 50000, 0, true, trips(0));
    measure("stream, results announced one by one", 2000000, 2000, true, one_way);
    measure("stream, results announced in batches", 2000000, 2000, false, one_way);
  }
}
