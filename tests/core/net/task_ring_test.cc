// The rules of one ring, step by step in one thread.
#include "core/net/task_ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <deque>

#include "tests/core/net/shared_ring.h"

namespace manta::net {
namespace {

class TaskRing : public ::testing::Test {
 protected:
  std::uint64_t publish(std::uint64_t value) {
    Record* record = submitter.reserve();
    EXPECT_NE(record, nullptr);
    record->task.low = value;
    const std::uint64_t position = submitter.next_position();
    submitter.publish(*record);
    return position;
  }
  void run_one(bool notify = true) {
    Record* record = worker.claim();
    ASSERT_NE(record, nullptr);
    worker.finish(*record, notify);
  }

  SharedRing ring;
  RingSubmitter submitter = ring.submitter();
  RingWorker worker = ring.worker();
};

TEST_F(TaskRing, Ring1ARecordPassesFromHandToHandAndBack) {
  EXPECT_EQ(worker.claim(), nullptr);
  const std::uint64_t position = publish(11);
  EXPECT_EQ(submitter.state(position), RecordState::ready);
  EXPECT_EQ(submitter.outstanding(), 1u);
  EXPECT_EQ(submitter.front_done(), nullptr);
  Record* claimed = worker.claim();
  ASSERT_NE(claimed, nullptr);
  EXPECT_EQ(claimed->task.low, 11u);
  EXPECT_EQ(submitter.state(position), RecordState::claimed);
  claimed->task.low = 12;
  worker.finish(*claimed, true);
  EXPECT_EQ(submitter.state(position), RecordState::done);
  Record* done = submitter.front_done();
  ASSERT_NE(done, nullptr);
  EXPECT_EQ(done->task.low, 12u);
  EXPECT_EQ(submitter.front_position(), position);
  submitter.free_front();
  EXPECT_EQ(submitter.state(position), RecordState::free);
  EXPECT_EQ(submitter.outstanding(), 0u);
}

TEST_F(TaskRing, Ring1AFullRingGivesNoRecordUntilTheFrontIsFreed) {
  for (std::uint64_t i = 0; i < kRingRecords; ++i) publish(i);
  EXPECT_EQ(submitter.reserve(), nullptr);
  run_one();
  EXPECT_EQ(submitter.reserve(), nullptr) << "the result has not been read";
  ASSERT_NE(submitter.front_done(), nullptr);
  submitter.free_front();
  EXPECT_NE(submitter.reserve(), nullptr);
}

TEST_F(TaskRing, ResultsComeInOrderOfPublication) {
  publish(0);
  publish(1);
  Record* first = worker.claim();
  Record* second = worker.claim();
  worker.finish(*second, true);
  EXPECT_EQ(submitter.front_done(), nullptr);
  worker.finish(*first, true);
  EXPECT_EQ(submitter.front_done(), first);
}

TEST_F(TaskRing, Ring2ATakenRecordIsNeverClaimedAndAClaimedOneNeverTaken) {
  const std::uint64_t a = publish(0), b = publish(1), c = publish(2), d = publish(3);
  EXPECT_EQ(submitter.take_back(b), TakeBack::taken);
  EXPECT_EQ(submitter.take_back(b), TakeBack::taken) << "again: it still is";
  Record* record = worker.claim();
  EXPECT_EQ(record->task.low, 0u);
  EXPECT_EQ(submitter.take_back(a), TakeBack::started);
  worker.finish(*record, true);
  EXPECT_EQ(submitter.take_back(a), TakeBack::finished);
  record = worker.claim();
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->task.low, 2u) << "the taken one was passed";
  EXPECT_EQ(submitter.state(b), RecordState::taken) << "although the worker has freed it";
  EXPECT_EQ(submitter.take_back(d), TakeBack::taken);
  worker.finish(*record, true);
  ASSERT_NE(submitter.front_done(), nullptr);
  EXPECT_EQ(submitter.front_position(), a);
  submitter.free_front();
  ASSERT_NE(submitter.front_done(), nullptr);
  EXPECT_EQ(submitter.front_position(), c);
  submitter.free_front();
  EXPECT_EQ(submitter.front_done(), nullptr);
  EXPECT_EQ(submitter.outstanding(), 0u) << "the last, taken too, counts no more";
}

TEST_F(TaskRing, Ring2ATakenRecordIsNotUsedAgainBeforeTheWorkerHasPassedIt) {
  for (std::uint64_t i = 0; i < kRingRecords; ++i) publish(i);
  for (std::uint64_t i = 0; i < kRingRecords; ++i) EXPECT_EQ(submitter.take_back(i), TakeBack::taken);
  EXPECT_EQ(submitter.front_done(), nullptr);
  EXPECT_EQ(submitter.outstanding(), 0u);
  EXPECT_EQ(submitter.reserve(), nullptr);
  EXPECT_EQ(worker.claim(), nullptr);
  ASSERT_NE(submitter.reserve(), nullptr);
  publish(7);
  EXPECT_EQ(worker.claim()->task.low, 7u);
}

TEST_F(TaskRing, Ring4APublisherRingsOnceIfTheWorkerStoppedLooking) {
  publish(0);
  EXPECT_EQ(ring.worker_bell().rings, 0u) << "it is awake";
  EXPECT_FALSE(worker.stop_looking()) << "there is something";
  run_one();
  EXPECT_TRUE(worker.stop_looking());
  publish(1);
  publish(2);
  EXPECT_EQ(ring.worker_bell().rings, 1u);
  EXPECT_EQ(ring.worker_bell().take(), 1u << 5) << "the group that it was given";
  run_one();
  run_one();
  EXPECT_TRUE(worker.stop_looking());
  EXPECT_EQ(worker.claim(), nullptr) << "looks again, so it must not be rung";
  publish(3);
  EXPECT_EQ(ring.worker_bell().rings, 1u);
}

TEST_F(TaskRing, Ring4AFinisherRingsIfAskedToElseAFlushDoes) {
  publish(0);
  publish(1);
  publish(2);
  EXPECT_TRUE(submitter.stop_looking());
  run_one(false);
  EXPECT_EQ(ring.submitter_bell().rings, 0u);
  worker.flush();
  EXPECT_EQ(ring.submitter_bell().rings, 1u);
  worker.flush();
  EXPECT_EQ(ring.submitter_bell().rings, 1u) << "nothing new to tell";
  EXPECT_FALSE(submitter.stop_looking()) << "a result is there";
  submitter.free_front();
  EXPECT_TRUE(submitter.stop_looking());
  run_one(false);
  run_one(true);
  EXPECT_EQ(ring.submitter_bell().rings, 2u);
  EXPECT_EQ(ring.submitter_bell().take(), 1u << 7);
}

TEST_F(TaskRing, Ring4AWorkerThatStopsLookingTellsOfWhatItFinished) {
  publish(0);
  EXPECT_TRUE(submitter.stop_looking());
  run_one(false);
  EXPECT_TRUE(worker.stop_looking());
  EXPECT_EQ(ring.submitter_bell().rings, 1u);
}

TEST_F(TaskRing, Ring4ASubmitterThatWaitsForSpaceIsRungWhenTakenRecordsAreFreed) {
  for (std::uint64_t i = 0; i < kRingRecords; ++i) publish(i);
  for (std::uint64_t i = 0; i < kRingRecords; ++i) submitter.take_back(i);
  EXPECT_EQ(submitter.front_done(), nullptr);
  EXPECT_EQ(submitter.reserve(), nullptr);
  EXPECT_TRUE(submitter.stop_looking());
  EXPECT_FALSE(worker.stop_looking()) << "there are records to pass";
  EXPECT_EQ(worker.claim(), nullptr);
  EXPECT_TRUE(worker.stop_looking());
  EXPECT_EQ(ring.submitter_bell().rings, 1u);
  EXPECT_FALSE(submitter.stop_looking()) << "there is space now";
  EXPECT_TRUE(submitter.stop_looking()) << "reported once: a submitter with nothing to publish may sleep";
}

TEST_F(TaskRing, ABlockedWorkerTellsItsSubmitter) {
  EXPECT_FALSE(submitter.worker_blocked());
  worker.set_blocked(true);
  EXPECT_TRUE(submitter.worker_blocked());
  EXPECT_EQ(ring.submitter_bell().rings, 1u);
  worker.set_blocked(false);
  EXPECT_FALSE(submitter.worker_blocked());
}

TEST_F(TaskRing, PositionsGoOnBeyondTheRing) {
  for (std::uint64_t i = 0; i < 5 * kRingRecords; ++i) {
    EXPECT_EQ(publish(i), i);
    run_one();
    ASSERT_NE(submitter.front_done(), nullptr);
    EXPECT_EQ(submitter.front_done()->task.low, i);
    submitter.free_front();
  }
}

TEST_F(TaskRing, Ring5AStragglerDelaysNoOtherRecord) {
  publish(1'000'000);
  Record* running = worker.claim();
  ASSERT_NE(running, nullptr);
  const std::uint32_t straggler = submitter.pass_front();
  for (std::uint64_t i = 0; i < 3 * kRingRecords; ++i) {
    publish(i);
    Record* record = worker.claim();
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(record->task.low, i);
    worker.finish(*record, true);
    ASSERT_NE(submitter.front_done(), nullptr);
    EXPECT_EQ(submitter.front_done()->task.low, i);
    submitter.free_front();
  }
  EXPECT_EQ(worker.claim(), nullptr);
  EXPECT_FALSE(submitter.straggler_done(straggler));
  worker.finish(*running, true);
  ASSERT_TRUE(submitter.straggler_done(straggler));
  EXPECT_EQ(submitter.straggler(straggler).task.low, 1'000'000U);
  submitter.free_straggler(straggler);
  for (std::uint64_t i = 0; i < 3 * kRingRecords; ++i) {  // its place is used again, in order
    publish(i);
    Record* record = worker.claim();
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(record->task.low, i);
    worker.finish(*record, true);
    ASSERT_NE(submitter.front_done(), nullptr);
    submitter.free_front();
  }
}

TEST_F(TaskRing, Ring5APlaceIsNotUsedAgainBeforeTheWorkerHasPassedIt) {
  publish(0);
  Record* running = worker.claim();
  const std::uint32_t straggler = submitter.pass_front();
  for (std::uint64_t i = 1; i < kRingRecords; ++i) publish(i);
  EXPECT_EQ(submitter.reserve(), nullptr);  // full: the place is left out, the next one is outstanding
  worker.finish(*running, true);
  submitter.free_straggler(straggler);
  for (std::uint64_t i = 1; i < kRingRecords; ++i) {
    Record* record = worker.claim();
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(record->task.low, i);
    worker.finish(*record, true);
  }
  for (std::uint64_t i = 1; i < kRingRecords; ++i) {
    ASSERT_NE(submitter.front_done(), nullptr);
    submitter.free_front();
  }
  EXPECT_EQ(submitter.front_done(), nullptr);
  for (std::uint64_t i = 1; i < kRingRecords; ++i) publish(i);
  EXPECT_EQ(submitter.reserve(), nullptr);  // free, but the worker would take it a lap too early
  EXPECT_TRUE(submitter.stop_looking());
  Record* first = worker.claim();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->task.low, 1U);
  EXPECT_FALSE(submitter.stop_looking()) << "there is space now";
  publish(kRingRecords);
}

TEST_F(TaskRing, Ring3PayloadsAreBoundedByTheRecord) {
  Record* record = submitter.reserve();
  record->size_bytes = Record::kPayloadBytes;
  EXPECT_EQ(payload_of(*record)->size(), Record::kPayloadBytes);
  record->size_bytes = Record::kPayloadBytes + 1;
  EXPECT_EQ(payload_of(*record).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(block_of(*record).error().code(), ErrorCode::invalid_argument);
  record->size_bytes = sizeof(BlockRef) - 1;
  EXPECT_EQ(block_of(*record).error().code(), ErrorCode::invalid_argument);
  const BlockRef block{ClientId{3}, 64, 1000};
  std::memcpy(record->payload, &block, sizeof(block));
  record->size_bytes = sizeof(BlockRef);
  EXPECT_EQ(block_of(*record)->arena, ClientId{3});
  EXPECT_EQ(block_of(*record)->size_bytes, 1000u);
}

Fd unsealed_memory(std::size_t size_bytes) {
  Fd fd(::memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size_bytes)), 0);
  return fd;
}

TEST(TaskRingMemory, CreateSizesAndSealsAnEmptyMemory) {
  Fd fd = unsealed_memory(0);
  RingMemory* memory = RingMemory::create(fd.get()).value();
  EXPECT_NE(::ftruncate(fd.get(), 0), 0);
  RingMemory* other = RingMemory::attach(fd.get()).value();
  memory->worker_idle = 5;
  EXPECT_EQ(other->worker_idle, 5u);
  RingMemory::unmap(memory);
  RingMemory::unmap(other);
}

TEST(TaskRingMemory, Ring3AttachRefusesWhatIsNoRing) {
  EXPECT_FALSE(RingMemory::attach(-1).has_value());
  Fd small = unsealed_memory(RingMemory::bytes() - 1);
  EXPECT_EQ(RingMemory::attach(small.get()).error().code(), ErrorCode::invalid_argument);
  Fd zeros = unsealed_memory(RingMemory::bytes());
  EXPECT_EQ(RingMemory::attach(zeros.get()).error().code(), ErrorCode::invalid_argument);
  Fd fd = create_shared_memory("ring", RingMemory::bytes()).value();
  RingMemory* memory = RingMemory::create(fd.get()).value();
  memory->version += 1;
  EXPECT_EQ(RingMemory::attach(fd.get()).error().code(), ErrorCode::invalid_argument);
  memory->version -= 1;
  memory->records *= 2;
  EXPECT_EQ(RingMemory::attach(fd.get()).error().code(), ErrorCode::invalid_argument);
  RingMemory::unmap(memory);
}

TEST(TaskRingMemory, Ring3AttachSealsTheSizeOrRefuses) {
  Fd fd = unsealed_memory(RingMemory::bytes());
  auto* header = reinterpret_cast<RingMemory*>(map_memory(fd.get(), 4096, Mapping::shared).value());
  header->magic = RingMemory::kMagic;
  header->version = RingMemory::kVersion;
  header->records = kRingRecords;
  RingMemory* attached = RingMemory::attach(fd.get()).value();
  EXPECT_NE(::ftruncate(fd.get(), 0), 0) << "the peer cannot take the memory away any more";
  RingMemory::unmap(attached);
  unmap_memory(header, 4096);

  Fd stubborn = unsealed_memory(RingMemory::bytes());
  ASSERT_EQ(::fcntl(stubborn.get(), F_ADD_SEALS, F_SEAL_SEAL), 0);
  EXPECT_EQ(RingMemory::attach(stubborn.get()).error().code(), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace manta::net
