// DistributedDataParallel in a training's workers. A loop throws if a check fails, and fit() throws that in the test.
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <variant>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/train/training.h"

namespace {

namespace train = manta::train;
namespace fs = std::filesystem;
using ::testing::HasSubstr;

void require(bool right, const std::string& what) {
  if (!right) throw std::runtime_error("not so: " + what);
}

torch::Tensor mean_over_ranks(const train::Context& context, const torch::Tensor& value) {
  std::vector<torch::Tensor> sum{value.clone()};
  context.process_group()->allreduce(sum)->wait();
  return sum[0] / context.world_size();
}

class Ddp : public ::testing::Test {
 protected:
  Ddp() { storage_ = fs::temp_directory_path() / ("ddp_test." + std::to_string(getpid())); }
  ~Ddp() override { fs::remove_all(storage_); }

  template <auto Loop>
  void run(int workers = 2) const {
    (void)train::Trainer<Loop>({.num_workers = workers}, {.storage_path = storage_, .tensorboard = false}).fit();
  }

  fs::path storage_;
};

void gives_all_the_first_ranks_network(train::Context& context) {
  torch::manual_seed(100 + context.rank());
  SmallNetwork network;
  const torch::Tensor before = network->out->weight.detach().clone();
  train::DistributedDataParallel model(network, context.process_group());
  const torch::Tensor mean = mean_over_ranks(context, network->out->weight.detach());
  require(mean.equal(network->out->weight), "all have the same parameters");
  require(before.equal(network->out->weight) == (context.rank() == 0), "they are rank 0's");
}
TEST_F(Ddp, StartsFromTheFirstRanksNetwork) { run<gives_all_the_first_ranks_network>(); }

void averages_gradients(train::Context& context) {
  torch::manual_seed(1);
  SmallNetwork network, alone;
  {
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < alone->parameters().size(); ++i) alone->parameters()[i].copy_(network->parameters()[i]);
  }
  train::DistributedDataParallel model(network, context.process_group());
  for (int step = 0; step < 3; ++step) {  // the second rebuilds the buckets
    torch::manual_seed(10 * step + context.rank());
    const torch::Tensor pixels = torch::randn({4, 1, 8, 8});
    network->zero_grad();
    alone->zero_grad();
    model(pixels).pow(2).sum().backward();
    alone(pixels).pow(2).sum().backward();
    for (std::size_t i = 0; i < alone->parameters().size(); ++i) {
      const torch::Tensor mean = mean_over_ranks(context, alone->parameters()[i].grad());
      require(network->parameters()[i].grad().allclose(mean, 1e-5, 1e-7), "a gradient is the mean over the ranks");
    }
  }
}
TEST_F(Ddp, GradientsAreTheMeanOverTheRanks) {
  run<averages_gradients>(2);
  run<averages_gradients>(1);
}

void gathers_without_sync(train::Context& context) {
  torch::manual_seed(1);
  SmallNetwork network;
  train::DistributedDataParallel model(network, context.process_group());
  const auto backward = [&](int part) {
    torch::manual_seed(10 * part + context.rank());
    model(torch::randn({4, 1, 8, 8})).pow(2).sum().backward();
  };
  backward(0);
  const torch::Tensor first = network->out->weight.grad().clone();
  network->zero_grad();
  backward(1);
  const torch::Tensor second = network->out->weight.grad().clone();
  network->zero_grad();
  {
    const auto guard = model.no_sync();
    backward(0);
    require(!mean_over_ranks(context, network->out->weight.grad()).allclose(network->out->weight.grad()),
            "nothing was averaged");
  }
  backward(1);
  require(network->out->weight.grad().allclose(first + second, 1e-4, 1e-5), "both batches count");
}
TEST_F(Ddp, BatchesCanBeGatheredBeforeTheAverage) { run<gathers_without_sync>(); }

struct TwoHeadsImpl : torch::nn::Module {
  torch::nn::Linear left = register_module("left", torch::nn::Linear(3, 1));
  torch::nn::Linear right = register_module("right", torch::nn::Linear(3, 1));
  torch::Tensor forward(const torch::Tensor& x, bool to_left) { return to_left ? left(x) : right(x); }
};
TORCH_MODULE(TwoHeads);

void leaves_parameters_out(train::Context& context) {
  TwoHeads network;
  train::DistributedDataParallel model(network, context.process_group(), {.find_unused_parameters = true});
  for (int step = 0; step < 3; ++step) {
    network->zero_grad();
    model(torch::ones({2, 3}), context.rank() == 0).sum().backward();
    require(network->left->weight.grad().allclose(torch::full({1, 3}, 2.0 / context.world_size())),
            "one rank's gradient");
  }
}
TEST_F(Ddp, AStepMayLeaveParametersOut) { run<leaves_parameters_out>(); }

struct CountingImpl : torch::nn::Module {
  torch::nn::Linear linear = register_module("linear", torch::nn::Linear(2, 1));
  torch::Tensor seen = register_buffer("seen", torch::zeros({1}));
  torch::Tensor forward(const torch::Tensor& x) {
    seen += x.size(0);
    return linear(x);
  }
};
TORCH_MODULE(Counting);

void shares_buffers(train::Context& context) {
  Counting network;
  train::DistributedDataParallel model(network, context.process_group());
  for (int step = 0; step < 3; ++step) model(torch::ones({1 + 4 * context.rank(), 2})).sum().backward();
  require(network->seen.item<float>() == 2 + 1 + 4 * context.rank(), "before each step the buffers are rank 0's");
  Counting other;
  train::DistributedDataParallel own(other, context.process_group(), {.broadcast_buffers = false});
  for (int step = 0; step < 3; ++step) own(torch::ones({1 + 4 * context.rank(), 2})).sum().backward();
  require(other->seen.item<float>() == 3 * (1 + 4 * context.rank()), "each rank keeps its own");
}
TEST_F(Ddp, BuffersAreTheFirstRanks) { run<shares_buffers>(); }

// The types that a forward may return, with and without tensors.
struct WithFunction {
  torch::Tensor tensor;
  explicit WithFunction(torch::Tensor given = {}) : tensor(std::move(given)) {}
  virtual ~WithFunction() = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(tensor);
  }
};
struct Several {
  int number = 0;
  std::string text;
  std::vector<bool> flags;
  std::pair<torch::Tensor, std::tuple<torch::Tensor>> pair;
  std::map<std::string, std::vector<torch::Tensor>> map;
  std::optional<torch::Tensor> some, none;
};
using Either = std::variant<int, torch::Tensor>;
using Pointer = std::unique_ptr<std::array<torch::Tensor, 1>>;
using Named = torch::OrderedDict<std::string, torch::Tensor>;
class Hides {
 public:
  explicit Hides(torch::Tensor tensor) : tensor_(std::move(tensor)) {}
  const torch::Tensor& tensor() const { return tensor_; }

 private:
  torch::Tensor tensor_;
};
struct ReturningImpl : torch::nn::Module {
  std::vector<torch::nn::Linear> layers;
  ReturningImpl() {
    for (int i = 0; i < 9; ++i) layers.push_back(register_module("layer" + std::to_string(i), torch::nn::Linear(2, 1)));
  }
  std::tuple<Several, Named, Either, Pointer, WithFunction> forward(const torch::Tensor& x) {
    std::vector<torch::Tensor> y;
    for (auto& layer : layers) y.push_back(layer(x).sum());
    Several all;
    all.flags = {true};
    all.pair = {y[0], {y[1]}};
    all.map["a"] = {y[2]};
    all.some = y[3];
    Named named;
    named.insert("b", y[7]);
    Pointer array = std::make_unique<std::array<torch::Tensor, 1>>(std::array{y[5]});
    return {std::move(all), std::move(named), Either(y[4]), std::move(array),
            WithFunction(y[6])};  // the last layer is unused
  }
};
TORCH_MODULE(Returning);

// The loss uses one of the outputs. Since the outputs are found, all other parameters count as unused.
void returns_anything(train::Context& context) {
  Returning network;
  train::DistributedDataParallel model(network, context.process_group(), {.find_unused_parameters = true});
  for (int i = 0; i < 8; ++i) {
    network->zero_grad();
    auto [all, named, either, array, with_function] = model(torch::ones({1, 2}));
    const torch::Tensor each[] = {
        all.pair.first, std::get<0>(all.pair.second), all.map["a"][0], *all.some, std::get<1>(either),
        (*array)[0],    with_function.tensor,         named["b"]};
    each[i].backward();
    const auto& gradient = network->layers[static_cast<std::size_t>(i)]->weight.grad();
    require(gradient.defined() && gradient.allclose(torch::ones({1, 2})), "output " + std::to_string(i) + " was used");
    require(!network->layers[8]->weight.grad().defined(), "what no rank used has no gradient");
  }
}
TEST_F(Ddp, ForwardMayReturnAnyType) { run<returns_anything>(); }

struct HidingImpl : torch::nn::Module {
  torch::nn::Linear linear = register_module("linear", torch::nn::Linear(2, 1));
  Hides forward(const torch::Tensor& x) { return Hides(linear(x)); }
};
TORCH_MODULE(Hiding);
void hides_an_output(train::Context& context) {
  Hiding network;
  train::DistributedDataParallel model(network, context.process_group());
  for (int i = 0; i < 2; ++i) model(torch::ones({1, 2})).tensor().sum().backward();
  train::DistributedDataParallel finding(network, context.process_group(), {.find_unused_parameters = true});
  try {
    finding(torch::ones({1, 2}));
  } catch (const manta::Error& error) {
    require(std::string(error.what()).find("its type hides some") != std::string::npos, error.what());
    return;
  }
  require(false, "it threw");
}
TEST_F(Ddp, AnOutputThatHidesItsTensorsIsRefusedWhereTheyAreNeeded) { run<hides_an_output>(); }

void accumulates_conditionally(train::Context& context) {
  torch::manual_seed(1);  // one network in sixty does not see its input: all its first units are off
  SmallNetwork network;
  train::DistributedDataParallel model(network, context.process_group());
  std::vector<train::NoSync> kept;
  kept.push_back(model.no_sync());
  train::NoSync guard = std::move(kept.back());
  kept.clear();
  const auto differs = [&] {
    network->zero_grad();
    model(torch::full({4, 1, 8, 8}, 1.0 + context.rank())).pow(2).sum().backward();
    return !mean_over_ranks(context, network->out->weight.grad()).allclose(network->out->weight.grad());
  };
  require(differs(), "the guard was moved, not ended");
  guard = {};
  require(!differs(), "the guard has ended");
}
TEST_F(Ddp, TheGuardOfNoSyncCanBeMoved) { run<accumulates_conditionally>(); }

void lets_a_rank_differ(train::Context& context) {
  SmallNetwork network;
  train::DistributedDataParallel model(network, context.process_group(), {.check_every = 2});
  for (int step = 0; step < 6; ++step) {
    model(torch::ones({2, 1, 8, 8})).sum().backward();
    const torch::NoGradGuard no_grad;
    if (step == 2 && context.rank() == 1) network->hidden->bias.add_(1e-6);
  }
}
TEST_F(Ddp, ARankWhoseParametersDifferIsNamed) {
  try {
    run<lets_a_rank_differ>(3);
    FAIL() << "it went on";
  } catch (const manta::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("after 4 steps parameter hidden.bias is not the same on all ranks"));
    EXPECT_THAT(error.what(), HasSubstr("rank 1"));
    EXPECT_THAT(error.what(), HasSubstr("ranks 0, 2"));
  }
}

void ends_with_the_first(train::Context& context) {
  SmallNetwork network;
  train::DistributedDataParallel model(network, context.process_group());
  int steps = 0;
  try {
    model.join(
        [&] {
          for (; steps < 2 + 3 * context.rank(); ++steps) model(torch::ones({2, 1, 8, 8})).sum().backward();
        },
        {.throw_on_early_termination = true});
  } catch (const manta::Error& error) {
    require(error.code() == manta::ErrorCode::cancelled, error.what());
    require(std::string(error.what()).find("rank 0 of 2 has no inputs left") != std::string::npos, error.what());
    require(steps == 2, "the ranks stop at the same step");
    return;
  }
  require(false, "it threw");
}
TEST_F(Ddp, AJoinMayEndWithTheFirstRankWithoutInputs) { run<ends_with_the_first>(); }

void sums_sparse_tensors(train::Context& context) {
  const int rank = context.rank(), size = context.world_size();
  const auto make = [](int of) {  // rank 0 has no rows; indices overlap, some occur twice in a tensor
    std::vector<std::int64_t> rows;
    for (int i = 0; i < of * 2; ++i) rows.push_back(i / 2 + i % 2);
    const auto count = static_cast<std::int64_t>(rows.size());
    return torch::sparse_coo_tensor(torch::tensor(rows, torch::kLong).reshape({1, count}),
                                    torch::full({count, 2}, of + 1.0), {6, 2});
  };
  torch::Tensor expected = torch::zeros({6, 2});
  for (int each = 0; each < size; ++each) expected += make(each).to_dense();
  std::vector<torch::Tensor> tensors{make(rank)};
  context.process_group()->allreduce(tensors)->wait();
  require(tensors[0].is_sparse() && tensors[0].to_dense().allclose(expected), "the sum over all ranks");
  c10d::AllreduceOptions options;
  options.reduceOp = c10d::ReduceOp::AVG;
  tensors[0] = make(rank);
  context.process_group()->allreduce(tensors, options)->wait();
  require(tensors[0].to_dense().allclose(expected / size), "the mean over all ranks");
  options.reduceOp = c10d::ReduceOp::MAX;
  try {
    context.process_group()->allreduce(tensors, options)->wait();
  } catch (const manta::Error& error) {
    require(error.code() == manta::ErrorCode::invalid_argument, error.what());
    return;
  }
  require(false, "it threw");
}
TEST_F(Ddp, SparseTensorsAreReduced) { run<sums_sparse_tensors>(3); }

void differs(train::Context& context) {
  torch::nn::Sequential network{torch::nn::Linear(3 + context.rank(), 2)};
  train::DistributedDataParallel model(network, context.process_group());
}
TEST_F(Ddp, NetworksThatDifferAreRefused) {
  try {
    run<differs>();
    FAIL() << "it went on";
  } catch (const manta::Error& error) {
    EXPECT_EQ(error.code(), manta::ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(), HasSubstr("differ"));
  }
}

void has_nothing_to_train(train::Context& context) {
  torch::nn::Sequential network{torch::nn::ReLU()};
  train::DistributedDataParallel model(network, context.process_group());
}
TEST_F(Ddp, ANetworkWithoutParametersIsRefused) {
  try {
    run<has_nothing_to_train>();
    FAIL() << "it went on";
  } catch (const manta::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("has no parameter"));
  }
}

}  // namespace
