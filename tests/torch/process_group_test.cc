// Every operation of the c10d backend, for two and three ranks in processes of their own.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <manta/process_group.h>

#include "tests/core/collective/members.h"

namespace manta::collective {
namespace {

using GroupPtr = c10::intrusive_ptr<c10d::ProcessGroup>;
using Tensors = std::vector<at::Tensor>;

void run_ranks(int size, const std::function<void(c10d::ProcessGroup&)>& body) {
  const std::string name = new_name();
  std::vector<std::unique_ptr<Process>> processes;
  for (int rank = 0; rank < size; ++rank) {
    processes.push_back(std::make_unique<Process>([&, rank] {
      try {
        at::set_num_threads(1);
        const GroupPtr group = make_process_group({.name = name, .rank = rank, .size = size});
        body(*group);
        group->barrier()->wait();
      } catch (const std::exception& error) {
        ADD_FAILURE() << "rank " << rank << ": " << error.what();
      }
    }));
  }
  for (auto& process : processes) EXPECT_TRUE(process->succeeded());
}

struct ProcessGroupTest : ::testing::TestWithParam<int> {
  void run(const std::function<void(c10d::ProcessGroup&)>& body) { run_ranks(GetParam(), body); }
};

at::Tensor ramp(std::int64_t n, int rank) { return at::arange(n, at::kFloat) + 100 * rank; }

TEST_P(ProcessGroupTest, AllReduce) {
  run([](c10d::ProcessGroup& group) {
    const int n = group.getSize(), rank = group.getRank();
    for (const std::int64_t count : {1, 1000, 1'000'000}) {
      Tensors tensors{ramp(count, rank)};
      auto work = group.allreduce(tensors);
      EXPECT_TRUE(work->wait());
      EXPECT_TRUE(work->isCompleted() && work->isSuccess());
      EXPECT_TRUE(at::equal(work->getFuture()->value().toTensorVector()[0], tensors[0]));
      EXPECT_TRUE(at::allclose(tensors[0], at::arange(count, at::kFloat) * n + 50 * n * (n - 1)));
    }
  });
}

TEST_P(ProcessGroupTest, Broadcast) {
  run([](c10d::ProcessGroup& group) {
    for (int root = 0; root < group.getSize(); ++root) {
      Tensors tensors{ramp(5000, group.getRank())};
      c10d::BroadcastOptions options;
      options.rootRank = root;
      group.broadcast(tensors, options)->wait();
      EXPECT_TRUE(at::equal(tensors[0], ramp(5000, root)));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, ProcessGroupTest, ::testing::Values(2, 3));

}  // namespace
}  // namespace manta::collective
