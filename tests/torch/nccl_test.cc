// Process groups on GPUs, with the device and the NCCL of this machine. Skips (status 77) where one is missing. What
// needs CUDA runs in workers that hold a GPU: the driver forks them, so it must not start CUDA itself.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <manta/manta.h>
#include <manta/process_group.h>
#include <manta/torch.h>
#include <manta/train/distributed_data_parallel.h>
#include <manta/train/trainer.h>

namespace {

namespace train = manta::train;
using Tensors = std::vector<at::Tensor>;

int gpus = 0;

c10::intrusive_ptr<c10d::ProcessGroup> alone() {
  return manta::collective::make_process_group({.name = manta::collective::new_name(), .rank = 0, .size = 1});
}
at::Tensor numbers() {
  return torch::arange(1000, torch::TensorOptions().dtype(torch::kFloat).device(torch::kCUDA, 0));
}

// Each gives its results on the CPU.
Tensors reduce_one_rank(c10d::ReduceOp::RedOpType operation) {
  const auto group = alone();
  Tensors tensors{numbers()};
  c10d::AllreduceOptions options;
  options.reduceOp = operation;
  group->allreduce(tensors, options)->wait();
  return {tensors[0].add(1).cpu()};  // at once, on the current stream
}
Tensors broadcast_one_rank() {
  const auto group = alone();
  Tensors tensors{numbers()};
  group->broadcast(tensors)->wait();
  return {tensors[0].cpu()};
}
Tensors gather_one_rank() {
  const auto group = alone();
  Tensors inputs{numbers()};
  std::vector<Tensors> outputs{{torch::zeros_like(inputs[0])}};
  group->allgather(outputs, inputs)->wait();
  at::Tensor whole = torch::zeros_like(inputs[0]);
  group->getBackend(c10::kCUDA)->_allgather_base(whole, inputs[0])->wait();
  return {outputs[0][0].cpu(), whole.cpu()};
}
Tensors scatter_one_rank() {
  const auto group = alone();
  Tensors outputs{torch::zeros_like(numbers())};
  std::vector<Tensors> inputs{{numbers()}};
  group->reduce_scatter(outputs, inputs)->wait();
  at::Tensor input = numbers(), whole = torch::zeros_like(input), exchanged = torch::zeros_like(input);
  group->getBackend(c10::kCUDA)->_reduce_scatter_base(whole, input)->wait();
  std::vector<int64_t> equal;
  group->getBackend(c10::kCUDA)->alltoall_base(exchanged, input, equal, equal)->wait();
  return {outputs[0].cpu(), whole.cpu(), exchanged.cpu()};
}
Tensors future_one_rank() {
  const auto group = alone();
  Tensors tensors{numbers()};
  const auto future = group->allreduce(tensors)->getFuture();
  future->wait();
  c10d::BarrierOptions barrier;
  barrier.device = at::Device(at::kCUDA, 0);
  group->barrier(barrier)->wait();
  return {future->value().toTensorVector()[0].cpu()};
}
std::string not_contiguous() {
  const auto group = alone();
  Tensors tensors{numbers().view({10, 100}).t()};
  try {
    group->allreduce(tensors);
  } catch (const manta::Error& error) {
    return std::string(to_string(error.code()));
  }
  return "accepted";
}

template <auto F, class... As>
auto on_gpu(const As&... arguments) {
  return manta::get(manta::remote<F>.options({.num_gpus = 1})(arguments...));
}
at::Tensor expected() { return torch::arange(1000, torch::kFloat); }

TEST(Nccl, AllReduceBroadcastAndGather) {
  for (const auto operation : {c10d::ReduceOp::SUM, c10d::ReduceOp::AVG, c10d::ReduceOp::MAX}) {
    EXPECT_TRUE(on_gpu<reduce_one_rank>(operation)[0].equal(expected() + 1));
  }
  EXPECT_TRUE(on_gpu<broadcast_one_rank>()[0].equal(expected()));
  for (const at::Tensor& tensor : on_gpu<gather_one_rank>()) EXPECT_TRUE(tensor.equal(expected()));
  for (const at::Tensor& tensor : on_gpu<scatter_one_rank>()) EXPECT_TRUE(tensor.equal(expected()));
  EXPECT_TRUE(on_gpu<future_one_rank>()[0].equal(expected()));
}

TEST(Nccl, RefusesWhatItCannotDo) { EXPECT_EQ(on_gpu<not_contiguous>(), "invalid_argument"); }

struct LineImpl : torch::nn::Module {
  LineImpl() : weights(register_module("weights", torch::nn::Linear(8, 1))) {}
  torch::Tensor forward(const torch::Tensor& x) { return weights(x); }
  torch::nn::Linear weights;
};
TORCH_MODULE(Line);

// Finds the weights of a linear function.
void train_line(train::Context& context, std::int64_t steps) {
  torch::manual_seed(1);
  const torch::Tensor x = torch::randn({256, 8}), y = x.matmul(torch::arange(8, torch::kFloat)).unsqueeze(1);
  Line line;
  line->to(context.device());
  train::DistributedDataParallel model(line, context.process_group());
  torch::optim::SGD optimizer(line->parameters(), torch::optim::SGDOptions(0.1));
  const std::int64_t share = x.size(0) / context.world_size(), from = share * context.rank();
  const torch::Tensor inputs = x.narrow(0, from, share).to(context.device());
  const torch::Tensor wanted = y.narrow(0, from, share).to(context.device());
  for (std::int64_t step = 1; step <= steps; ++step) {
    optimizer.zero_grad();
    const torch::Tensor loss = torch::mse_loss(model(inputs), wanted);
    loss.backward();
    optimizer.step();
    context.report({{"loss", loss.item<double>()},
                    {"cuda", context.device() == torch::Device(torch::kCUDA, 0) && loss.is_cuda() ? 1.0 : 0.0}});
  }
}

TEST(Nccl, TrainsDataParallel) {
  const auto storage = std::filesystem::temp_directory_path() / ("nccl_test." + std::to_string(getpid()));
  for (int workers = 1; workers <= std::min(gpus, 2); ++workers) {
    const auto result = train::Trainer<train_line>({.num_workers = workers, .use_gpu = true},
                                                   {.name = "w" + std::to_string(workers), .storage_path = storage})
                            .fit(std::int64_t{200});
    EXPECT_LT(result.metrics.at("loss"), 1e-3) << workers << " workers";
    EXPECT_EQ(result.metrics.at("cuda"), 1);
    EXPECT_EQ(result.restarts, 0);
  }
  std::filesystem::remove_all(storage);
}

}  // namespace

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  gpus = static_cast<int>(runtime.num_gpus());
  if (gpus < 1 || !c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA)) {
    std::puts(gpus < 1 ? "skipped: this machine has no GPU" : "skipped: this LibTorch was built without CUDA");
    return 77;
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
