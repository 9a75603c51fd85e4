// What a process group asks of CUDA and NCCL for tensors on a GPU: with stand-ins for both, so without a GPU.
#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <manta/process_group.h>

#include "tests/core/collective/members.h"
#include "tests/torch/fake_cuda.h"

namespace {

C10_REGISTER_GUARD_IMPL(CUDA, fake_cuda::Guard);

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using Tensors = std::vector<at::Tensor>;
using namespace std::chrono_literals;

std::string nccl_calls() {
  static void* library = dlopen(std::getenv("MANTA_NCCL_LIBRARY"), RTLD_NOW);
  return reinterpret_cast<const char* (*)()>(dlsym(library, "fake_nccl_calls"))();
}

template <class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const manta::Error& error) {
    return std::string(to_string(error.code())) + ": " + error.message();
  }
  return "none";
}

class NcclCalls : public ::testing::Test {
 protected:
  void TearDown() override {
    fake_cuda::state().set_done(true);
    unsetenv("FAKE_NCCL_FAILS");
    unsetenv("FAKE_NCCL_ASYNC");
  }
  static c10::intrusive_ptr<c10d::ProcessGroup> alone(std::chrono::milliseconds timeout = 60s) {
    fake_cuda::state().take();
    nccl_calls();
    return manta::collective::make_process_group(
        {.name = manta::collective::new_name(), .rank = 0, .size = 1, .timeout = timeout});
  }
};

TEST_F(NcclCalls, ConnectsAtTheFirstOperationAndLeavesAtTheEnd) {
  {
    const auto group = alone();
    Tensors on_cpu{torch::ones(3)}, tensors{fake_cuda::tensor({1, 2})};
    group->allreduce(on_cpu)->wait();
    EXPECT_EQ(nccl_calls(), "");
    group->allreduce(tensors)->wait();
    group->broadcast(tensors)->wait();
    EXPECT_EQ(nccl_calls(), "id init ( all_reduce ) ( broadcast ) ");
  }
  EXPECT_EQ(nccl_calls(), "destroy ");
}

TEST_F(NcclCalls, StreamsWaitForEachOtherAndTheHostForNone) {
  const auto group = alone();
  Tensors tensors{fake_cuda::tensor({1, 2}), fake_cuda::tensor({3})};
  fake_cuda::state().set_done(false);
  const auto work = group->allreduce(tensors);
  EXPECT_EQ(nccl_calls(), "id init ( all_reduce all_reduce ) ");
  // The group's stream after the current one; the end of the operation; the future's own event.
  EXPECT_EQ(fake_cuda::state().take(), "record 0, block 7 on 0, record 7, record 7, ");
  EXPECT_FALSE(work->isCompleted());
  EXPECT_TRUE(work->wait());
  EXPECT_EQ(fake_cuda::state().take(), "block 0 on 7, ");
  work->getFuture()->wait();
  EXPECT_EQ(fake_cuda::state().take(), "block 0 on 7, ");
  EXPECT_EQ(work->getFuture()->value().toTensorVector().size(), 2U);
  fake_cuda::state().set_done(true);
  EXPECT_TRUE(work->isCompleted());
}

TEST_F(NcclCalls, DataArrives) {
  const auto group = alone();
  at::Tensor from = fake_cuda::tensor({1, 2, 3}), gathered = fake_cuda::tensor({0, 0, 0}),
             reduced = fake_cuda::tensor({0, 0, 0}), exchanged = fake_cuda::tensor({0, 0, 0});
  group->getBackend(c10::kCUDA)->_allgather_base(gathered, from)->wait();
  group->getBackend(c10::kCUDA)->_reduce_scatter_base(reduced, from)->wait();
  std::vector<int64_t> equal;
  group->getBackend(c10::kCUDA)->alltoall_base(exchanged, from, equal, equal)->wait();
  for (const at::Tensor& tensor : {gathered, reduced, exchanged}) {
    EXPECT_THAT(fake_cuda::values(tensor), ElementsAre(1, 2, 3));
  }
  EXPECT_EQ(nccl_calls(), "id init all_gather reduce_scatter ( send recv ) ");
}

TEST_F(NcclCalls, AFailedCallIsKeptAndAbortsOnce) {
  const auto group = alone();
  Tensors tensors{fake_cuda::tensor({1})};
  const auto before = group->allreduce(tensors);
  setenv("FAKE_NCCL_FAILS", "broadcast", 1);
  const std::string first = error_of([&] { group->broadcast(tensors); });
  EXPECT_THAT(first, ::testing::StartsWith("unavailable: nccl:broadcast, rank 0: made up: details"));
  EXPECT_EQ(error_of([&] { group->allreduce(tensors); }), first);
  EXPECT_EQ(error_of([&] { before->wait(); }), first);
  EXPECT_EQ(nccl_calls(), "id init ( all_reduce ) ( broadcast ) abort ");
}

TEST_F(NcclCalls, WhatIsNotDoneInTimeOrFailsByItselfEnds) {
  Tensors tensors{fake_cuda::tensor({1})};
  for (const bool late : {true, false}) {
    const auto group = alone(late ? 1ms : 60'000ms);
    fake_cuda::state().set_done(false);
    const auto work = group->allreduce(tensors);
    if (!late) setenv("FAKE_NCCL_ASYNC", "1", 1);
    const auto limit = std::chrono::steady_clock::now() + 20s;
    while (!work->isCompleted() && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    EXPECT_FALSE(work->isSuccess());
    EXPECT_THAT(error_of([&] { work->wait(); }),
                HasSubstr(late ? "deadline: nccl:all_reduce, rank 0: not done" : "unavailable: nccl:all_reduce"));
    EXPECT_THAT(nccl_calls(), HasSubstr("abort"));
    fake_cuda::state().set_done(true);
  }
}

// Rank 0's error of the second all_reduce, which its GPU does not finish, when rank 1 has called so many and ends.
std::string second_of_two_ranks(int called_by_other, const std::function<void(c10d::ProcessGroup&)>& end,
                                std::chrono::milliseconds timeout) {
  const std::string name = manta::collective::new_name();
  manta::collective::Process other([&] {
    const auto group = manta::collective::make_process_group({.name = name, .rank = 1, .size = 2, .timeout = 60s});
    Tensors tensors{fake_cuda::tensor({1})};
    for (int i = 0; i < called_by_other; ++i) group->allreduce(tensors)->wait();
    end(*group);
    ::pause();
  });
  const auto group = manta::collective::make_process_group({.name = name, .rank = 0, .size = 2, .timeout = 60s});
  Tensors tensors{fake_cuda::tensor({1})};
  group->allreduce(tensors)->wait();
  fake_cuda::state().set_done(false);
  c10d::AllreduceOptions options;
  options.timeout = timeout;
  const auto work = group->allreduce(tensors, options);
  const auto limit = std::chrono::steady_clock::now() + 20s;
  while (!work->isCompleted() && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  const std::string error = error_of([&] { work->wait(); });
  fake_cuda::state().set_done(true);
  return error;
}
void leave(c10d::ProcessGroup& group) { group.getBackend(c10::kCUDA)->shutdown(); }

TEST_F(NcclCalls, ARankThatLeavesOrDiesIsNamed) {
  EXPECT_THAT(
      second_of_two_ranks(1, leave, 1h),
      MatchesRegex("unavailable: nccl:all_reduce, rank 0: not done: rank 1 .process [0-9]+. has left the group"));
  EXPECT_THAT(second_of_two_ranks(
                  1, [](c10d::ProcessGroup&) { ::raise(SIGKILL); }, 1h),
              MatchesRegex("unavailable: nccl:all_reduce, rank 0: not done: rank 1 .process [0-9]+. died"));
}

TEST_F(NcclCalls, WhatALeavingRankHasCalledIsNotLost) {
  EXPECT_THAT(second_of_two_ranks(2, leave, 500ms), HasSubstr("deadline: nccl:all_reduce, rank 0: not done in time"));
}

TEST_F(NcclCalls, WhatWasCalledBeforeShutdownIsDone) {
  const auto group = alone();
  Tensors tensors{fake_cuda::tensor({1})};
  fake_cuda::state().set_done(false);
  const auto work = group->allreduce(tensors);
  group->getBackend(c10::kCUDA)->shutdown();
  EXPECT_THAT(error_of([&] { group->allreduce(tensors); }), HasSubstr("cancelled: "));
  EXPECT_FALSE(work->isCompleted());
  fake_cuda::state().set_done(true);
  EXPECT_TRUE(work->isSuccess());
}

TEST_F(NcclCalls, AbortEndsTheGroup) {
  const auto group = alone();
  Tensors tensors{fake_cuda::tensor({1})};
  const auto work = group->allreduce(tensors);
  group->getBackend(c10::kCUDA)->abort();
  EXPECT_THAT(error_of([&] { work->wait(); }), HasSubstr("cancelled: "));
  EXPECT_THAT(error_of([&] { group->allreduce(tensors); }), HasSubstr("cancelled: "));
}

TEST_F(NcclCalls, WhatIsNotSupportedIsRefusedAndChangesNothing) {
  const auto group = alone();
  Tensors tensors{fake_cuda::tensor({1, 2})}, mixed{tensors[0], torch::ones(1)};
  c10d::AllreduceOptions bitwise;
  bitwise.reduceOp = c10d::ReduceOp::BAND;
  EXPECT_THAT(error_of([&] { group->allreduce(tensors, bitwise); }), HasSubstr("invalid_argument: "));
  EXPECT_THAT(error_of([&] { group->getBackend(c10::kCUDA)->allreduce(mixed); }), HasSubstr("on cpu"));
  EXPECT_EQ(nccl_calls(), "");
  EXPECT_TRUE(group->allreduce(tensors)->wait());
}

TEST(NcclLibrary, ItsAbsenceNamesWhereItWasLookedForAndWhatToDo) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";  // a process that has loaded nothing
  EXPECT_EXIT(
      {
        setenv("MANTA_NCCL_LIBRARY", "/nowhere/libnccl.so.2", 1);
        const auto group = manta::collective::make_process_group({.name = manta::collective::new_name()});
        Tensors tensors{fake_cuda::tensor({1})};
        std::fputs(error_of([&] { group->allreduce(tensors); }).c_str(), stderr);
        std::_Exit(0);
      },
      ::testing::ExitedWithCode(0), "unavailable: NCCL.*/nowhere/libnccl.so.2.*Next: run cmake/deps.sh nccl");
}

}  // namespace
