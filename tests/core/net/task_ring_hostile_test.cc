// RING-3, BELL-2: whatever a peer writes into the shared memory, this side stays within its records and returns.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/core/net/ring_players.h"

namespace manta::net {
namespace {

// Likely states among unlikely ones, so that the calls get somewhere.
RecordState any_state(std::mt19937_64& random) {
  const std::uint64_t n = random();
  return static_cast<RecordState>(n % 8 == 0 ? n >> 32 : (n >> 8) % 5);
}

void scribble(SharedRing& ring, std::mt19937_64& random) {
  RingMemory& memory = ring.memory();
  Record& record = memory.at(random());
  record.size_bytes = static_cast<std::uint32_t>(random() >> (random() % 60));
  record.kind = static_cast<PayloadKind>(random());
  record.state = any_state(random);
  switch (random() % 6) {
    case 0:
      memory.worker_idle = static_cast<std::uint32_t>(random());
      break;
    case 1:
      memory.submitter_idle = static_cast<std::uint32_t>(random());
      break;
    case 2:
      memory.worker_blocked = static_cast<std::uint32_t>(random());
      break;
    case 3:
      ring.submitter_bell().ready = random();
      break;
    case 4:
      ring.worker_bell().rings = static_cast<std::uint32_t>(random());
      break;
    case 5:
      memory.magic = random();
      break;
  }
}

void use(const Record* record, const RingMemory& memory) {
  if (record == nullptr) return;
  ASSERT_GE(record, memory.ring);
  ASSERT_LT(record, memory.ring + kRingRecords);
  if (const auto payload = payload_of(*record)) {
    ASSERT_LE(payload->size(), Record::kPayloadBytes);
    volatile std::byte sink{};
    for (const std::byte byte : *payload) sink = byte;
    (void)sink;
  }
  (void)block_of(*record);
}

void use_submitter(RingSubmitter& submitter, const RingMemory& memory, std::mt19937_64& random) {
  switch (random() % 5) {
    case 0:
      if (Record* record = submitter.reserve()) submitter.publish(*record);
      break;
    case 1:
      if (Record* record = submitter.front_done()) {
        use(record, memory);
        submitter.free_front();
      }
      break;
    case 2:
      if (submitter.outstanding() > 0) {
        const std::uint64_t position = submitter.front_position() + random() % submitter.outstanding();
        const bool taken = submitter.take_back(position) == TakeBack::taken;
        ASSERT_EQ(submitter.state(position) == RecordState::taken, taken);
      }
      break;
    case 3: {
      const RecordState state = submitter.state(random() % (submitter.next_position() + 1));
      ASSERT_LE(state, RecordState::taken);
      break;
    }
    case 4:
      submitter.stop_looking();
      break;
  }
  ASSERT_LE(submitter.outstanding(), kRingRecords);
}

void use_worker(RingWorker& worker, const RingMemory& memory, std::mt19937_64& random) {
  if (Record* record = worker.claim()) {
    use(record, memory);
    if (!::testing::Test::HasFatalFailure()) worker.finish(*record, random() % 2 == 0);
  }
  if (random() % 4 == 0) worker.flush();
  if (random() % 4 == 0) worker.stop_looking();
}

TEST(TaskRingHostile, Ring3NeitherSideFollowsWhatAPeerScribbles) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE("MANTA_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20; ++round) {
    SharedRing ring;
    RingSubmitter submitter = ring.submitter();
    RingWorker worker = ring.worker();
    for (int i = 0; i < 30'000 && !HasFatalFailure(); ++i) {
      scribble(ring, random);
      use_submitter(submitter, ring.memory(), random);
      use_worker(worker, ring.memory(), random);
    }
  }
}

TEST(TaskRingHostile, Ring3WhileAnotherProcessScribbles) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "a data race is the point";
#endif
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE("MANTA_TEST_SEED=" + std::to_string(seed));
  SharedRing ring;
  const pid_t hostile = ::fork();
  if (hostile == 0) {
    for (std::mt19937_64 random(seed);;) scribble(ring, random);
  }
  std::mt19937_64 random(seed + 1);
  RingSubmitter submitter = ring.submitter();
  RingWorker worker = ring.worker();
  for (int i = 0; i < 1'000'000 && !HasFatalFailure(); ++i) {
    use_submitter(submitter, ring.memory(), random);
    use_worker(worker, ring.memory(), random);
  }
  ::kill(hostile, SIGKILL);
  ::waitpid(hostile, nullptr, 0);
}

// A result that comes although the task was taken back must not be read as one, and a task may not vanish.
TEST(TaskRingHostile, Ring3AHostileWorkerCannotFinishATaskTwiceOrMakeItVanish) {
  SharedRing ring;
  RingSubmitter submitter = ring.submitter();
  for (int i = 0; i < 3; ++i) submitter.publish(*submitter.reserve());
  EXPECT_EQ(submitter.take_back(0), TakeBack::taken);
  ring.memory().at(0).state = RecordState::done;
  ring.memory().at(1).state = RecordState::free;
  EXPECT_EQ(submitter.front_done(), nullptr);
  EXPECT_EQ(submitter.front_position(), 1u);
  EXPECT_EQ(submitter.state(1), RecordState::claimed) << "not done, and not to be had back";
  EXPECT_EQ(submitter.take_back(1), TakeBack::started);
  EXPECT_EQ(submitter.outstanding(), 2u);
}

TEST(TaskRingHostile, Ring3EndlessTakenRecordsDoNotHoldTheWorker) {
  SharedRing ring;
  RingWorker worker = ring.worker();
  for (std::uint64_t i = 0; i < kRingRecords; ++i) ring.memory().at(i).state = RecordState::taken;
  EXPECT_EQ(worker.claim(), nullptr);
}

}  // namespace
}  // namespace manta::net
