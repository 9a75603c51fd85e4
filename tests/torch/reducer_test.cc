// torch's own DistributedDataParallel engine on the backend; and what it throws when a rank dies.
#include <gtest/gtest.h>
#include <signal.h>
#include <torch/torch.h>
#include <unistd.h>

#include <thread>

#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include "tests/torch/ranks.h"

namespace manta::collective {
namespace {

torch::nn::Sequential small_cnn() {
  torch::manual_seed(5);
  namespace nn = torch::nn;
  return nn::Sequential(nn::Conv2d(nn::Conv2dOptions(1, 8, 3).padding(1)), nn::ReLU(), nn::MaxPool2d(2), nn::Flatten(),
                        nn::Linear(8 * 16, 32), nn::ReLU(), nn::Linear(32, 10));
}

at::Tensor images() {
  torch::manual_seed(6);
  return torch::randn({12, 1, 8, 8});
}

Tensors gradients_of(torch::nn::Sequential& model) {
  Tensors gradients;
  for (const auto& parameter : model->parameters()) gradients.push_back(parameter.grad().clone());
  return gradients;
}

at::Tensor loss_of(torch::nn::Sequential& model, const at::Tensor& batch) {
  const at::Tensor target = torch::arange(batch.size(0)) % 10;
  return torch::nn::functional::cross_entropy(model->forward(batch), target);
}

std::unique_ptr<c10d::Reducer> reducer_for(torch::nn::Sequential& model, const GroupPtr& group) {
  const Tensors parameters = model->parameters();
  std::vector<std::vector<size_t>> buckets(2);  // in the order of the backward pass: the last parameters first
  for (size_t i = 0; i < parameters.size(); ++i) buckets[i < 2 ? 1 : 0].push_back(i);
  return std::make_unique<c10d::Reducer>(parameters, buckets, group, std::vector<bool>(parameters.size(), false),
                                         int64_t{1} << 20, false, true, std::unordered_map<size_t, std::string>(),
                                         int64_t{1} << 20, false, false, std::vector<int64_t>());
}

void step(c10d::Reducer& reducer, torch::nn::Sequential& model, const at::Tensor& batch) {
  for (auto& parameter : model->parameters()) {
    if (parameter.grad().defined()) parameter.mutable_grad().zero_();
  }
  if (reducer.should_rebuild_buckets()) reducer.rebuild_buckets();
  reducer.prepare_for_forward();
  const at::Tensor loss = loss_of(model, batch);
  reducer.prepare_for_backward({loss});
  loss.backward();
}

// The mean of the gradients of all ranks' equal shares is the gradient of the whole.
TEST(Reducer, GradientsAreThoseOfASingleProcess) {
  for (const int size : {2, 3}) {
    run_ranks(size, [](c10d::ProcessGroup& group) {
      auto model = small_cnn(), alone = small_cnn();
      const at::Tensor all = images();
      const std::int64_t share = all.size(0) / group.getSize();
      // The labels follow from the place in the batch: the single process sees the shares one after the other.
      for (int rank = 0; rank < group.getSize(); ++rank) {
        (loss_of(alone, all.narrow(0, rank * share, share)) / group.getSize()).backward();
      }
      const Tensors expected = gradients_of(alone);
      auto self = c10::intrusive_ptr<c10d::ProcessGroup>::unsafe_reclaim_from_nonowning(&group);
      const auto reducer = reducer_for(model, self);
      for (int i = 0; i < 4; ++i) {
        step(*reducer, model, all.narrow(0, group.getRank() * share, share));
        const Tensors found = gradients_of(model);
        for (size_t k = 0; k < found.size(); ++k) {
          EXPECT_TRUE(at::allclose(found[k], expected[k], 1e-4, 1e-5)) << "step " << i << ", parameter " << k;
        }
      }
    });
  }
}

TEST(Reducer, BackwardThrowsWhenARankDies) {
  const std::string name = new_name();
  const auto run = [&](int rank) {
    at::set_num_threads(1);
    const GroupPtr group = make_process_group({.name = name, .rank = rank, .size = 2});
    auto model = small_cnn();
    const auto reducer = reducer_for(model, group);
    for (int i = 0;; ++i) {
      if (rank == 1 && i == 3) ::kill(::getpid(), SIGKILL);
      step(*reducer, model, images());
    }
  };
  Process victim([&] { run(1); });
  Process survivor([&] {
    try {
      run(0);
    } catch (const std::exception& error) {
      const std::string text = error.what();
      EXPECT_TRUE(text.find("rank 1 (process " + std::to_string(victim.pid()) + ") died") != std::string::npos) << text;
      return;
    }
    ADD_FAILURE() << "nothing was thrown";
  });
  EXPECT_TRUE(survivor.succeeded());
  EXPECT_FALSE(victim.succeeded());
}

TEST(ProcessGroupFailure, WaitThrowsWhenARankLeavesAndTheGroupEndsAtOnce) {
  const std::string name = new_name();
  Process first([&] {
    run_guarded(0, [&] {
      const GroupPtr group = make_process_group({.name = name, .rank = 0, .size = 2});
      Tensors tensors{torch::ones({1000})}, more{torch::ones({10})};
      group->allreduce(tensors)->wait();
      auto work = group->allreduce(tensors);
      auto later = group->recv(more, 1, 0);
      const std::string text = error_of(ErrorCode::unavailable, [&] { work->wait(); });
      EXPECT_TRUE(text.find("has left") != std::string::npos) << text;
      EXPECT_FALSE(work->isSuccess());
      EXPECT_TRUE(work->getFuture()->hasError());
      error_of(ErrorCode::unavailable, [&] { later->wait(); });
    });
  });
  Process second([&] {
    run_guarded(1, [&] {
      const GroupPtr group = make_process_group({.name = name, .rank = 1, .size = 2});
      Tensors tensors{torch::ones({1000})};
      group->allreduce(tensors)->wait();
    });
  });
  EXPECT_TRUE(first.succeeded());
  EXPECT_TRUE(second.succeeded());
}

// The other rank never answers: the destructor cancels the operation that the group's thread is in.
TEST(ProcessGroupFailure, DestructionCancelsWhatIsUnderWay) {
  const std::string name = new_name();
  const auto run = [&](int rank) {
    run_guarded(rank, [&] {
      GroupPtr group = make_process_group({.name = name, .rank = rank, .size = 2});
      group->barrier()->wait();
      if (rank == 1) return (void)::pause();
      Tensors tensors{torch::ones({1000})};
      auto work = group->allreduce(tensors);
      auto second = group->allreduce(tensors);
      group.reset();
      error_of(ErrorCode::cancelled, [&] { work->wait(); });
      error_of(ErrorCode::cancelled, [&] { second->wait(); });
    });
  };
  Process first([&] { run(0); });
  Process second([&] { run(1); });
  EXPECT_TRUE(first.succeeded());
}

TEST(ProcessGroupStore, RanksMeetThroughAStore) {
  auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 2; ++rank) {
    ranks.emplace_back([&, rank] {
      const GroupPtr group = make_process_group(store, rank, 2, std::chrono::seconds(20));
      Tensors tensors{torch::full({3}, rank + 1)};
      group->allreduce(tensors)->wait();
      EXPECT_TRUE(at::equal(tensors[0], torch::full({3}, 3)));
    });
  }
  for (auto& rank : ranks) rank.join();
}

}  // namespace
}  // namespace manta::collective
