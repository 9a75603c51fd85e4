// RING-3: kill -9 of either side at random instants, in a process of its own. Afterwards the survivor accounts for
// every record as exactly one of unstarted, started, finished or taken back, and what the dead one noted in shared
// memory before and after each step agrees.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <thread>
#include <vector>

#include "tests/core/net/ring_players.h"

namespace manta::net {
namespace {

// More than a side gets to before it is killed, also where the killer waits for a processor.
constexpr std::uint64_t kRecords = 8'000'000;
constexpr int kKills = 150;
constexpr std::chrono::microseconds kLongestLife{3000};

// Written by the process that will die.
struct Notes {
  std::atomic<bool> running;
  std::atomic<std::uint64_t> begun;  // numbers below it were
  std::atomic<std::uint64_t> ended;
  std::array<std::atomic<std::uint8_t>, kRecords> take_back;  // 0: not tried, 1: tried, 2: succeeded
};

class TaskRingKill : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer does not follow forks";
#endif
    Fd fd = create_shared_memory("notes", sizeof(Notes)).value();
    notes_ = reinterpret_cast<Notes*>(map_memory(fd.get(), sizeof(Notes), Mapping::shared).value());
  }
  void TearDown() override { unmap_memory(notes_, sizeof(Notes)); }

  // Runs doomed in a child and survivor here; a death notice ends the latter.
  template <class Doomed, class Survivor>
  void kill_at_random(Doorbell& bell, std::mt19937_64& random, Doomed doomed, Survivor survivor) {
    const std::chrono::nanoseconds life(random() % std::chrono::nanoseconds(kLongestLife).count());
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      notes_->running = true;
      doomed();
      ::_exit(1);
    }
    std::thread killer([&] {
      while (!notes_->running) std::this_thread::yield();
      const auto end = std::chrono::steady_clock::now() + life;
      while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
      ::kill(child, SIGKILL);
      int status = 0;
      ::waitpid(child, &status, 0);
      EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself";
      died_ = true;
      bell.wake();
    });
    survivor();
    killer.join();
  }

  Notes* notes_ = nullptr;
  std::atomic<bool> died_{false};
};

TEST_F(TaskRingKill, Ring3OfTheWorker) {
  std::uint64_t seed = test_seed();
  std::uint64_t finished = 0, started = 0, unstarted = 0;
  for (int i = 0; i < kKills && !HasFailure(); ++i, ++seed) {
    SCOPED_TRACE("MANTA_TEST_SEED=" + std::to_string(seed));
    TearDown();
    SetUp();
    died_ = false;
    std::mt19937_64 random(seed);
    SharedRing ring;
    const Play play{.seed = seed, .records = kRecords, .most_in_flight = 200, .take_back = 0.05, .peer_died = &died_};
    SubmittingPlayer submitter(ring, play);
    kill_at_random(
        ring.submitter_bell(), random,
        [&] {
          WorkingPlayer worker(ring, play);
          worker.on_serve = [&](std::uint64_t number, bool after) {
            (after ? notes_->ended : notes_->begun) = number + 1;
          };
          worker.run();
        },
        [&] { submitter.run(); });
    submitter.drain();
    EXPECT_EQ(submitter.trouble(), "");
    std::uint64_t left_started = 0, left_unstarted = 0;
    for (const auto& task : submitter.outstanding()) {
      if (task.taken) continue;
      const RecordState state = submitter.end().state(task.position);
      if (state == RecordState::claimed) {
        EXPECT_EQ(left_started + left_unstarted, 0u) << "only the first that is left can have started";
        EXPECT_EQ(submitter.end().take_back(task.position), TakeBack::started);
        EXPECT_GE(task.number + 1, notes_->begun);
        ++left_started;
      } else {
        EXPECT_EQ(state, RecordState::ready);
        EXPECT_EQ(submitter.end().take_back(task.position), TakeBack::taken);
        EXPECT_GE(task.number, notes_->begun);
        ++left_unstarted;
      }
    }
    EXPECT_EQ(submitter.finished() + submitter.taken() + left_started + left_unstarted, submitter.published());
    EXPECT_LE(left_started, 1u);
    finished += submitter.finished();
    started += left_started;
    unstarted += left_unstarted;
  }
  std::printf("%lu finished, %lu started, %lu unstarted\n", finished, started, unstarted);
  EXPECT_GT(finished, 0u);
  EXPECT_GT(unstarted, 0u);
}

TEST_F(TaskRingKill, Ring3OfTheSubmitter) {
  std::uint64_t seed = test_seed();
  std::uint64_t served_in_all = 0;
  for (int i = 0; i < kKills && !HasFailure(); ++i, ++seed) {
    SCOPED_TRACE("MANTA_TEST_SEED=" + std::to_string(seed));
    TearDown();
    SetUp();
    died_ = false;
    std::mt19937_64 random(seed);
    SharedRing ring;
    const Play play{.seed = seed, .records = kRecords, .most_in_flight = 200, .take_back = 0.05, .peer_died = &died_};
    std::vector<bool> served;
    WorkingPlayer worker(ring, play);
    worker.on_serve = [&](std::uint64_t number, bool) {
      if (number >= served.size()) served.resize(number + 1);
      served[number] = true;
    };
    kill_at_random(
        ring.worker_bell(), random,
        [&] {
          SubmittingPlayer submitter(ring, play);
          submitter.on_publish = [&](std::uint64_t number, bool after) {
            (after ? notes_->ended : notes_->begun) = number + 1;
          };
          submitter.on_take_back = [&](std::uint64_t number, bool after) { notes_->take_back[number] = after ? 2 : 1; };
          submitter.run();
        },
        [&] { worker.run(); });
    worker.drain();
    EXPECT_EQ(worker.trouble(), "") << "each record that it served was whole and in order";
    served.resize(std::max<std::uint64_t>(served.size(), notes_->begun));
    for (std::uint64_t number = 0; number < served.size(); ++number) {
      const std::uint8_t take_back = notes_->take_back[number];
      const bool must = take_back == 0 && number < notes_->ended;
      const bool must_not = take_back == 2 || number >= notes_->begun;
      EXPECT_FALSE(served[number] ? must_not : must) << number;
    }
    for (std::uint64_t position = 0; position < kRingRecords; ++position) {
      const RecordState state = ring.memory().at(position).state;
      EXPECT_TRUE(state == RecordState::free || state == RecordState::done) << "the worker has been through";
    }
    served_in_all += worker.served();
  }
  std::printf("%lu served\n", served_in_all);
  EXPECT_GT(served_in_all, 0u);
}

}  // namespace
}  // namespace manta::net
