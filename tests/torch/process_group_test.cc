// Every operation of the c10d backend, for two and three ranks in processes of their own.
#include <chrono>
#include <cmath>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <manta/process_group.h>

#include "tests/torch/ranks.h"

// Torch 2.13 has other names for some operations, 2.11 only these.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace manta::collective {
namespace {

struct ProcessGroupTest : ::testing::TestWithParam<int> {
  void run(const RankBody& body) { run_ranks(GetParam(), body); }
};

at::Tensor ramp(std::int64_t n, int rank) { return at::arange(n, at::kFloat) + 100 * rank; }

TEST_P(ProcessGroupTest, AllReduce) {
  run([](c10d::ProcessGroup& group) {
    const int n = group.getSize(), rank = group.getRank();
    for (const std::int64_t count : {1, 1000, 1'000'000}) {
      for (const bool async : {true, false}) {
        Tensors tensors{ramp(count, rank), at::full({2, 3}, rank, at::kLong)};
        c10d::AllreduceOptions options;
        options.asyncOp = async;
        auto work = group.allreduce(tensors, options);
        EXPECT_TRUE(work->wait());
        EXPECT_TRUE(work->isCompleted() && work->isSuccess());
        EXPECT_TRUE(at::equal(work->getFuture()->value().toTensorVector()[0], tensors[0]));
        EXPECT_TRUE(at::equal(tensors[0], at::arange(count, at::kFloat) * n + 50 * n * (n - 1)));
        EXPECT_TRUE(at::equal(tensors[1], at::full({2, 3}, n * (n - 1) / 2, at::kLong)));
      }
    }
  });
}

TEST_P(ProcessGroupTest, AllReduceOfTypesReductionsAndStrides) {
  run([](c10d::ProcessGroup& group) {
    const int n = group.getSize(), rank = group.getRank();
    for (const auto type :
         {at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kHalf, at::kBFloat16, at::kFloat, at::kDouble}) {
      Tensors tensors{at::full({4, 5}, rank + 1, type).t()};  // not contiguous
      tensors[0] = tensors[0].slice(0, 0, 5, 2);
      c10d::AllreduceOptions options;
      options.reduceOp = c10d::ReduceOp::MAX;
      group.allreduce(tensors, options)->wait();
      EXPECT_TRUE(at::equal(tensors[0], at::full({3, 4}, n, type))) << type;
    }
    Tensors average{at::full({3}, rank, at::kFloat)};
    c10d::AllreduceOptions options;
    options.reduceOp = c10d::ReduceOp::AVG;
    group.allreduce(average, options)->wait();
    EXPECT_TRUE(at::allclose(average[0], at::full({3}, (n - 1) / 2.0, at::kFloat)));
    Tensors flags{at::tensor({rank == 0 ? 1 : 0, 1, 0}).to(at::kBool)};
    group.allreduce(flags)->wait();
    EXPECT_TRUE(at::equal(flags[0], at::tensor({1, 1, 0}).to(at::kBool)));

    Tensors complex{at::zeros({2}, at::kComplexFloat)};
    EXPECT_THROW(group.allreduce(complex), std::exception);
    options.reduceOp = c10d::ReduceOp::BAND;
    EXPECT_THROW(group.allreduce(average, options), std::exception);
    Tensors meta{at::zeros({2}, at::kMeta)};
    EXPECT_THROW(group.getBackend(c10::DeviceType::CPU)->allreduce(meta), Error);
  });
}

TEST_P(ProcessGroupTest, CoalescedAndReduce) {
  run([](c10d::ProcessGroup& group) {
    const int n = group.getSize(), rank = group.getRank();
    Tensors tensors{ramp(10, rank), ramp(2000, rank)};
    group.allreduce_coalesced(tensors)->wait();
    EXPECT_TRUE(at::equal(tensors[1], at::arange(2000, at::kFloat) * n + 50 * n * (n - 1)));
    for (int root = 0; root < n; ++root) {
      Tensors mine{ramp(50, rank)};
      c10d::ReduceOptions options;
      options.rootRank = root;
      group.reduce(mine, options)->wait();
      const at::Tensor expected = rank == root ? at::arange(50, at::kFloat) * n + 50 * n * (n - 1) : ramp(50, rank);
      EXPECT_TRUE(at::equal(mine[0], expected));
    }
  });
}

TEST_P(ProcessGroupTest, Broadcast) {
  run([](c10d::ProcessGroup& group) {
    for (int root = 0; root < group.getSize(); ++root) {
      Tensors tensors{ramp(5000, group.getRank()), ramp(12, group.getRank()).view({3, 4}).t()};
      tensors[0].requires_grad_();  // as a model's parameters
      c10d::BroadcastOptions options;
      options.rootRank = root;
      group.broadcast(tensors, options)->wait();
      EXPECT_TRUE(at::equal(tensors[0], ramp(5000, root)));
      EXPECT_TRUE(at::equal(tensors[1], ramp(12, root).view({3, 4}).t()));
    }
  });
}

TEST_P(ProcessGroupTest, Gathers) {
  run([](c10d::ProcessGroup& group) {
    const int n = group.getSize(), rank = group.getRank();
    Tensors inputs{ramp(700, rank)};
    std::vector<Tensors> outputs(1);
    for (int i = 0; i < n; ++i) outputs[0].push_back(at::zeros({700}));
    group.allgather(outputs, inputs)->wait();
    for (int i = 0; i < n; ++i) EXPECT_TRUE(at::equal(outputs[0][static_cast<std::size_t>(i)], ramp(700, i)));

    at::Tensor whole = at::zeros({n, 700});
    group._allgather_base(whole, inputs[0])->wait();
    for (int i = 0; i < n; ++i) EXPECT_TRUE(at::equal(whole[i], ramp(700, i)));

    Tensors wholes{at::zeros({n * 700}), at::zeros({n})}, parts{inputs[0], at::full({1}, rank, at::kFloat)};
    group.allgather_into_tensor_coalesced(wholes, parts)->wait();
    EXPECT_TRUE(at::equal(wholes[0].view({n, 700}), whole));
    EXPECT_TRUE(at::equal(wholes[1], at::arange(n, at::kFloat)));

    c10d::GatherOptions options;
    options.rootRank = n - 1;
    std::vector<Tensors> gathered;
    if (rank == n - 1) {
      gathered.resize(1);
      for (int i = 0; i < n; ++i) gathered[0].push_back(at::zeros({700}));
    }
    group.gather(gathered, inputs, options)->wait();
    for (int i = 0; rank == n - 1 && i < n; ++i) {
      EXPECT_TRUE(at::equal(gathered[0][static_cast<std::size_t>(i)], ramp(700, i)));
    }
    outputs[0].pop_back();
    EXPECT_THROW(group.allgather(outputs, inputs), std::exception);
  });
}

TEST_P(ProcessGroupTest, Scatters) {
  run([](c10d::ProcessGroup& group) {
    const int n = group.getSize(), rank = group.getRank();
    c10d::ScatterOptions options;
    options.rootRank = 1;
    std::vector<Tensors> parts;
    if (rank == 1) {
      parts.resize(1);
      for (int i = 0; i < n; ++i) parts[0].push_back(ramp(300, i));
    }
    Tensors outputs{at::zeros({300})};
    group.scatter(outputs, parts, options)->wait();
    EXPECT_TRUE(at::equal(outputs[0], ramp(300, rank)));

    parts.assign(1, {});
    for (int i = 0; i < n; ++i) parts[0].push_back(ramp(300, i + rank));
    const at::Tensor expected = at::arange(300, at::kFloat) * n + 100 * rank * n + 50 * n * (n - 1);
    group.reduce_scatter(outputs, parts)->wait();
    EXPECT_TRUE(at::equal(outputs[0], expected));

    at::Tensor output = at::zeros({300}), input = at::cat(parts[0]);
    group._reduce_scatter_base(output, input)->wait();
    EXPECT_TRUE(at::equal(output, expected));
    Tensors some{at::zeros({300})}, whole{input};
    group.reduce_scatter_tensor_coalesced(some, whole)->wait();
    EXPECT_TRUE(at::equal(some[0], expected));
  });
}

TEST_P(ProcessGroupTest, AllToAll) {
  run([](c10d::ProcessGroup& group) {
    const int n = group.getSize(), rank = group.getRank();
    // Row by row; rank r sends r + to + 1 rows to rank `to`.
    std::vector<int64_t> in, out, none;
    std::vector<at::Tensor> rows, expected;
    for (int i = 0; i < n; ++i) {
      in.push_back(rank + i + 1);
      out.push_back(rank + i + 1);
      rows.push_back(at::full({rank + i + 1, 4}, 10 * rank + i, at::kInt));
      expected.push_back(at::full({rank + i + 1, 4}, 10 * i + rank, at::kInt));
    }
    at::Tensor input = at::cat(rows), output = at::zeros_like(input);
    group.alltoall_base(output, input, out, in)->wait();
    EXPECT_TRUE(at::equal(output, at::cat(expected)));
    Tensors outputs;
    for (const auto& tensor : expected) outputs.push_back(at::zeros_like(tensor));
    group.alltoall(outputs, rows)->wait();
    EXPECT_TRUE(at::equal(at::cat(outputs), at::cat(expected)));

    at::Tensor even = at::arange(2 * n, at::kLong) + 100 * rank, received = at::zeros_like(even);
    group.alltoall_base(received, even, none, none)->wait();
    EXPECT_TRUE(at::equal(received, at::tensor({2 * rank, 2 * rank + 1}, at::kLong).repeat({n}) +
                                        at::arange(n, at::kLong).repeat_interleave(2) * 100));
    in[0] += 1;
    EXPECT_THROW(group.alltoall_base(output, input, out, in), std::exception);
  });
}

// Both receive first; what is sent is called later.
TEST_P(ProcessGroupTest, SendAndReceiveInAnyOrder) {
  run([](c10d::ProcessGroup& group) {
    const int n = group.getSize(), rank = group.getRank();
    const int next = (rank + 1) % n, before = (rank + n - 1) % n;
    for (int round = 0; round < 20; ++round) {
      Tensors small{at::zeros({10})}, large{at::zeros({300'000, 2}).t()};
      auto second = group.recv(small, before, 2);
      auto first = group.recv(large, before, 1);
      Tensors to_send{ramp(600'000, rank).view({2, 300'000})}, last{ramp(10, rank)};
      auto a = group.send(to_send, next, 1);
      auto b = group.send(last, next, 2);
      if (round % 2 == 0) a->wait();
      second->wait();
      first->wait();
      a->wait();
      b->wait();
      EXPECT_TRUE(at::equal(large[0], ramp(600'000, before).view({2, 300'000})));
      EXPECT_TRUE(at::equal(small[0], ramp(10, before)));
    }
  });
}

// What lets gradient buckets be averaged beside the backward pass.
TEST_P(ProcessGroupTest, SplitGroupsAreGroupsOfTheirOwn) {
  run([](c10d::ProcessGroup& group) {
    const int n = group.getSize(), rank = group.getRank();
    const auto split = [&](const std::vector<int>& ranks) {
      return group.splitGroup(ranks, std::nullopt, std::nullopt, std::nullopt, std::nullopt);
    };
    // All but the last rank, and the last one by itself.
    std::vector<int> first;
    for (int i = 0; i < n - 1; ++i) first.push_back(i);
    const GroupPtr part = split(rank < n - 1 ? first : std::vector<int>{n - 1});
    ASSERT_EQ(part->getSize(), rank < n - 1 ? n - 1 : 1);
    EXPECT_EQ(part->getRank(), rank < n - 1 ? rank : 0);
    Tensors sums{at::full({3}, 1, at::kLong)};
    for (c10d::ProcessGroup* each : {part.get(), &group}) each->allreduce(sums)->wait();
    EXPECT_TRUE(at::equal(sums[0], at::full({3}, (n - 1) * (n - 1) + 1, at::kLong)));
    // The last rank is in none.
    const GroupPtr rest = split(first);
    ASSERT_EQ(static_cast<bool>(rest), rank < n - 1);
    if (rest) rest->barrier()->wait();
    // Rank 0 says that the last one is in its group.
    if (rank > 0) {
      EXPECT_EQ(split({rank})->getSize(), 1);
    } else {
      error_of(ErrorCode::invalid_argument, [&] { (void)split({0, n - 1}); });
    }
    // The last rank says that it is in the group of the others.
    std::vector<int> list(static_cast<std::size_t>(rank < n - 1 ? n - 1 : n));
    std::iota(list.begin(), list.end(), 0);
    if (n > 1) error_of(ErrorCode::invalid_argument, [&] { (void)split(list); });
  });
}

TEST_P(ProcessGroupTest, OperationsAreDoneWhileAllRanksCompute) {
  run([](c10d::ProcessGroup& group) {
    for (const std::int64_t count : {100, 500'000}) {
      Tensors tensors{ramp(count, group.getRank())};
      const auto work = group.allreduce(tensors);
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      double busy = 1;  // computing, without a look at the group's queue
      while (!work->isCompleted() && std::chrono::steady_clock::now() < deadline) busy = std::sqrt(busy + 1);
      EXPECT_TRUE(work->isCompleted()) << busy;
      EXPECT_EQ(tensors[0][1].item<float>(), group.getSize() + 50 * group.getSize() * (group.getSize() - 1));
    }
  });
}

// Many operations in flight: some waited for, some by their futures, some by finish().
TEST_P(ProcessGroupTest, ManyInFlight) {
  run([](c10d::ProcessGroup& group) {
    const int n = group.getSize();
    for (int round = 0; round < 50; ++round) {
      std::vector<Tensors> tensors;
      std::vector<c10::intrusive_ptr<c10d::Work>> works;
      int called = 0;
      for (int i = 0; i < 20; ++i) {
        tensors.push_back({at::full({i * 50}, i, at::kFloat)});
        works.push_back(group.allreduce(tensors.back()));
        works.back()->getFuture()->addCallback([&called](c10::ivalue::Future&) { ++called; });
      }
      if (round % 3 == 0) works[7]->wait();
      if (round % 3 == 1) finish(group);
      for (auto& work : works) work->getFuture()->wait();
      for (auto& work : works) work->wait();
      EXPECT_EQ(called, 20);
      for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(at::equal(tensors[static_cast<std::size_t>(i)][0], at::full({i * 50}, i * n, at::kFloat)));
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, ProcessGroupTest, ::testing::Values(2, 3));

}  // namespace
}  // namespace manta::collective
