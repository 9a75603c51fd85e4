// RING-4 as a litmus test: again and again one thread announces something at the moment when the other stops looking.
// Afterwards the other must have seen it or been rung. Neither thread sleeps, so a million rounds take a second.
#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "tests/core/net/ring_players.h"

namespace manta::net {
namespace {

// As many rounds as the time allows: both threads on a processor of their own pass hundreds of thousands.
constexpr int kRounds = 1'000'000;
constexpr std::chrono::seconds kTime{2};

// Lets two threads pass in the same instant, as nearly as can be.
class Gate {
 public:
  void pass() {
    const std::uint32_t mine = arrived_.fetch_add(1) + 1;
    const std::uint32_t both = (mine + 1) / 2 * 2;
    for (int i = 0; static_cast<std::int32_t>(arrived_.load() - both) < 0; ++i) {
      if (i > 2000) std::this_thread::yield();
    }
  }

 private:
  std::atomic<std::uint32_t> arrived_{0};
};

void wait_a_little(std::uint64_t turns) {
  for (; turns > 0; --turns) asm volatile("" ::: "memory");
}

// One side of a round. The result of the looker's is whether it would sleep now.
struct Race {
  std::function<void()> prepare;       // alone
  std::function<void()> announce;      // against
  std::function<bool()> stop_looking;  // this
  std::function<void()> settle;        // alone
};

void run(const Race& race, Doorbell& bell) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE("MANTA_TEST_SEED=" + std::to_string(seed));
  Gate start, end;
  std::atomic<bool> would_sleep{false};
  // How much later the looker starts than the announcer. Steered so that each is first in half of the rounds: then
  // they meet.
  std::atomic<int> lead{0};
  std::atomic<bool> over{false};
  std::thread looker([&] {
    std::mt19937_64 random(seed);
    for (;;) {
      start.pass();
      if (over) return;
      wait_a_little(static_cast<std::uint64_t>(std::max(0, lead.load())) + random() % 16);
      would_sleep.store(race.stop_looking(), std::memory_order_relaxed);
      end.pass();
    }
  });
  std::mt19937_64 random(seed + 1);
  const auto deadline = std::chrono::steady_clock::now() + kTime;
  int rounds = 0, slept = 0, lost = 0;
  for (; rounds < kRounds && lost == 0 && std::chrono::steady_clock::now() < deadline; ++rounds) {
    race.prepare();
    start.pass();
    wait_a_little(static_cast<std::uint64_t>(std::max(0, -lead.load())) + random() % 16);
    race.announce();
    end.pass();
    slept += would_sleep ? 1 : 0;
    lead = std::clamp(lead + (would_sleep ? 4 : -4), -4000, 4000);
    if (would_sleep && bell.take() == 0) ++lost;
    bell.take();
    race.settle();
  }
  over = true;
  start.pass();
  looker.join();
  EXPECT_EQ(lost, 0) << "would sleep, and was not rung";
  std::printf("%d rounds, in %d of them the looker would have slept\n", rounds, slept);
}

class TaskRingLitmus : public ::testing::Test {
 protected:
  void publish() { submitter.publish(*submitter.reserve()); }
  // Leaves the ring empty and both sides looking.
  void empty() {
    while (Record* record = worker.claim()) worker.finish(*record, true);
    while (submitter.front_done() != nullptr) submitter.free_front();
    ring.submitter_bell().take();
    ring.worker_bell().take();
  }

  SharedRing ring;
  RingSubmitter submitter = ring.submitter();
  RingWorker worker = ring.worker();
  Record* claimed = nullptr;
};

TEST_F(TaskRingLitmus, Ring4PublishAgainstTheWorkerThatStopsLooking) {
  run({.prepare = [] {},
       .announce = [&] { publish(); },
       .stop_looking = [&] { return worker.stop_looking(); },
       .settle = [&] { empty(); }},
      ring.worker_bell());
}

TEST_F(TaskRingLitmus, Ring4FinishAgainstTheSubmitterThatStopsLooking) {
  run({.prepare = [&] { publish(), claimed = worker.claim(); },
       .announce = [&] { worker.finish(*claimed, true); },
       .stop_looking = [&] { return submitter.stop_looking(); },
       .settle = [&] { empty(); }},
      ring.submitter_bell());
}

TEST_F(TaskRingLitmus, Ring4FlushAgainstTheSubmitterThatStopsLooking) {
  run({.prepare = [&] { publish(), claimed = worker.claim(); },
       .announce = [&] { worker.finish(*claimed, false), worker.flush(); },
       .stop_looking = [&] { return submitter.stop_looking(); },
       .settle = [&] { empty(); }},
      ring.submitter_bell());
}

TEST_F(TaskRingLitmus, Ring4FreeingATakenRecordAgainstTheSubmitterThatWaitsForSpace) {
  while (Record* record = submitter.reserve()) submitter.publish(*record);
  run({.prepare =
           [&] {
             for (auto p = submitter.front_position(); p != submitter.next_position(); ++p) submitter.take_back(p);
             EXPECT_EQ(submitter.front_done(), nullptr);
             EXPECT_EQ(submitter.reserve(), nullptr);
           },
       .announce = [&] { worker.claim(), worker.flush(); },
       .stop_looking = [&] { return submitter.stop_looking(); },
       .settle =
           [&] {
             while (Record* record = submitter.reserve()) submitter.publish(*record);
           }},
      ring.submitter_bell());
}

}  // namespace
}  // namespace manta::net
