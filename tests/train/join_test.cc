// DistributedDataParallel::join: ranks whose inputs run out, for cases without a result of Python's class to compare
// with (those are in ddp_reference_test.cc), and ranks that end before the others.
#include <chrono>
#include <csignal>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/train/training.h"

namespace {

namespace train = manta::train;
namespace fs = std::filesystem;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

void require(bool right, const std::string& what) {
  if (!right) throw std::runtime_error("not so: " + what);
}

struct TwoHeadsImpl : torch::nn::Module {
  torch::nn::Linear body = register_module("body", torch::nn::Linear(3, 3));
  torch::nn::Linear left = register_module("left", torch::nn::Linear(3, 1));
  torch::nn::Linear right = register_module("right", torch::nn::Linear(3, 1));
  torch::Tensor forward(const torch::Tensor& x, bool to_left) { return to_left ? left(body(x)) : right(body(x)); }
};
TORCH_MODULE(TwoHeads);

using Model = train::DistributedDataParallel<TwoHeads>;

void require_same_on_all_ranks(const train::Context& context, const TwoHeads& network) {
  for (const auto& parameter : network->named_parameters()) {
    std::vector<torch::Tensor> first{parameter.value().detach().clone()};
    context.process_group()->broadcast(first)->wait();
    require(first[0].equal(parameter.value()), parameter.key() + " is that of rank 0");
  }
}

void step(Model& model, bool to_left, double input = 1) {
  model(torch::full({2, 3}, input), to_left).sum().backward();
  const torch::NoGradGuard no_grad;
  for (const torch::Tensor& parameter : model.module()->parameters()) {
    if (parameter.grad().defined()) parameter.sub_(0.1 * parameter.grad());
  }
  model.module()->zero_grad();
}

class Join : public ::testing::Test {
 protected:
  Join() { storage_ = fs::temp_directory_path() / ("join_test." + std::to_string(getpid())); }
  ~Join() override { fs::remove_all(storage_); }

  // A collective would wait for an hour; the test fails after half a minute.
  template <auto Loop>
  void run(int workers) const {
    const auto began = std::chrono::steady_clock::now();
    const auto in_time = [&] { EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(30)); };
    try {
      (void)train::Trainer<Loop>({.num_workers = workers, .cpus_per_worker = 0},
                                 {.storage_path = storage_,
                                  .max_failures = 0,
                                  .tensorboard = false,
                                  .collective_timeout = std::chrono::hours(1)})
          .fit();
    } catch (...) {
      in_time();
      throw;
    }
    in_time();
  }
  template <auto Loop>
  std::string error_of(int workers) const {
    try {
      run<Loop>(workers);
    } catch (const std::exception& error) {
      return error.what();
    }
    return "none";
  }

  fs::path storage_;
};

// Rank 0 has no inputs in the first join; no rank uses the left head in it.
void has_no_inputs(train::Context& context, const train::DdpOptions& options) {
  torch::manual_seed(1);
  TwoHeads network, alone;
  {
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < 6; ++i) alone->parameters()[i].copy_(network->parameters()[i]);
  }
  Model model(network, context.process_group(), options);
  model.join(
      [&] {
        for (int i = 0; i < 2 * context.rank(); ++i) step(model, false);
      },
      {.divide_by_initial_world_size = false});
  require_same_on_all_ranks(context, network);
  require(!network->left->weight.grad().defined(), "no rank has used the left head");
  for (int i = 0; i < 2 * (context.world_size() - 1); ++i) {  // all ranks have the same inputs
    alone(torch::ones({2, 3}), false).sum().backward();
    const torch::NoGradGuard no_grad;
    for (const torch::Tensor& parameter : alone->parameters()) {
      if (parameter.grad().defined()) parameter.sub_(0.1 * parameter.grad());
    }
    alone->zero_grad();
  }
  for (std::size_t i = 0; i < 6; ++i) {
    require(network->parameters()[i].allclose(alone->parameters()[i], 1e-4, 1e-6),
            "the steps are those of one process");
  }
}
void has_no_inputs_and_finds_unused(train::Context& context) {
  has_no_inputs(context, {.find_unused_parameters = true});
}
void has_no_inputs_in_a_static_graph(train::Context& context) { has_no_inputs(context, {.static_graph = true}); }
void has_no_inputs_with_both(train::Context& context) {
  has_no_inputs(context, {.find_unused_parameters = true, .static_graph = true});
}

TEST_F(Join, ARankMayHaveNoInputsAtAll) {
  run<has_no_inputs_and_finds_unused>(3);
  run<has_no_inputs_in_a_static_graph>(3);
  run<has_no_inputs_with_both>(3);
}

void joins_in_each_epoch(train::Context& context) {
  TwoHeads network;
  Model model(network, context.process_group(), {.find_unused_parameters = true, .check_every = 2});
  for (int epoch = 0; epoch < 4; ++epoch) {
    model.join([&] {
      for (int i = 0; i < (epoch + context.rank()) % 3; ++i) step(model, (i + epoch) % 2 == 0, context.rank());
    });
    require_same_on_all_ranks(context, network);
    for (int i = 0; i < 3; ++i) step(model, (i + context.rank()) % 2 == 0, context.rank());  // compares all ranks
    require_same_on_all_ranks(context, network);
  }
}

TEST_F(Join, EachEpochMayHaveItsOwn) { run<joins_in_each_epoch>(3); }

void misses_the_first_step_of_a_static_graph(train::Context& context) {
  TwoHeads network;
  Model model(network, context.process_group(), {.static_graph = true});
  const auto join = [&](int steps) {
    model.join([&] {
      for (int i = 0; i < steps; ++i) step(model, false);
    });
  };
  join(context.rank());
  join(2);
}

TEST_F(Join, ARankThatMissedTheFirstStepOfAStaticGraphSaysSo) {
  EXPECT_THAT(error_of<misses_the_first_step_of_a_static_graph>(2),
              HasSubstr("rank 0 had no inputs when the other ranks made their first step"));
}

void ends_early(train::Context& context, const std::function<void()>& end) {
  TwoHeads network;
  Model model(network, context.process_group(), {.find_unused_parameters = true});
  model.join([&] {
    for (int i = 0; i < 1 + 4 * context.rank(); ++i) {
      if (context.rank() == 1 && i == 3) end();
      step(model, i % 2 == 0);
    }
  });
}
void throws_in_a_join(train::Context& context) {
  ends_early(context, [] { throw std::domain_error("a bad batch"); });
}
void dies_in_a_join(train::Context& context) {
  ends_early(context, [] { (void)std::raise(SIGKILL); });
}
void terminates_early(train::Context& context) {
  TwoHeads network;
  Model model(network, context.process_group(), {.find_unused_parameters = true});
  model.join(
      [&] {
        for (int i = 0; i < 2 + context.rank(); ++i) step(model, i % 2 == 0);
      },
      {.throw_on_early_termination = true});
}

TEST_F(Join, AJoinedRankDoesNotWaitForOneThatThrew) {
  EXPECT_THAT(error_of<throws_in_a_join>(2), HasSubstr("a bad batch"));
  EXPECT_THAT(error_of<throws_in_a_join>(3), HasSubstr("a bad batch"));
}

TEST_F(Join, AJoinedRankDoesNotWaitForOneThatDied) {
  EXPECT_THAT(error_of<dies_in_a_join>(3), HasSubstr("rank 1 was lost"));
}

TEST_F(Join, EarlyTerminationIsThatOfAllRanks) {
  EXPECT_THAT(error_of<terminates_early>(3), HasSubstr("rank 0 of 3 has no inputs left"));
}

// Rank 0 catches its error and throws it with a mark.
void says_what_ended_the_join(train::Context& context) {
  try {
    ends_early(context, [] { throw std::domain_error("a bad batch"); });
  } catch (const manta::Error& error) {
    if (context.rank() == 0) throw std::runtime_error(std::string("rank 0's error: ") + error.what());
    throw;
  } catch (const std::domain_error&) {  // rank 1 returns
  }
}

TEST_F(Join, AJoinedRanksErrorNamesTheRankThatHasLeft) {
  EXPECT_THAT(error_of<says_what_ended_the_join>(2),
              ContainsRegex("rank 0's error: .*rank 1 \\(process [0-9]+\\) has left the group"));
}

}  // namespace
