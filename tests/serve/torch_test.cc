// LibTorch's models as deployments: modules of the C++ API, TorchScript files, tensors there and back.
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <torch/script.h>
#include <torch/torch.h>

#include <manta/manta.h>
#include <manta/serve.h>
#include <manta/serve/torch.h>
#include <manta/torch.h>

#include "tests/serve/client.h"

namespace manta::serve::testing {
namespace {

using ::testing::HasSubstr;

struct NetImpl : torch::nn::Module {
  NetImpl() : linear(register_module("linear", torch::nn::Linear(3, 2))), norm(register_module("norm", torch::nn::BatchNorm1d(2))) {}
  torch::Tensor forward(const torch::Tensor& x) { return norm(linear(x)); }
  torch::nn::Linear linear;
  torch::nn::BatchNorm1d norm;
};
TORCH_MODULE(Net);

InferenceRequest request_of(const torch::Tensor& tensor, const std::string& name = "x") { return {.inputs = {from_torch(name, tensor)}}; }

TEST(ServeTorch, AModuleOfTheCppApi) {
  Net net;
  net->norm->running_mean.fill_(0.5);
  net->eval();
  Server server({.port = 0});
  const auto handle = server.run(deployment<TorchModule<Net>>(
      {.name = "net", .num_replicas = 2}, state_of(*net), ModelInfo{.inputs = {{"x", DataType::FP32, {-1, 3}}}, .outputs = {{"y"}}}));
  const torch::Tensor x = torch::randn({5, 3});
  const InferenceResponse response = manta::get(handle(request_of(x)));
  ASSERT_EQ(response.outputs.size(), 1u);
  EXPECT_EQ(response.outputs[0].name, "y");
  const torch::NoGradGuard no_grad;
  EXPECT_TRUE(to_torch(response.outputs[0]).equal(net(x)));
  try {
    (void)manta::get(handle(request_of(torch::randn({5, 4}))));
    ADD_FAILURE() << "a wrong shape was taken";
  } catch (const manta::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("input 'x' has the shape [5,4], the model takes [-1,3]"));
  }
  testing::Client client(server.address());
  const Answer answer = client.post("/v2/models/net/infer", R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[1,2,3]}]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto y = nlohmann::json::parse(answer.body)["outputs"][0]["data"].get<std::vector<float>>();
  EXPECT_TRUE(torch::tensor(y).allclose(net(torch::tensor({{1.F, 2.F, 3.F}})).flatten()));
  EXPECT_THROW(server.run(deployment<TorchModule<Net>>({.name = "other"}, std::vector<torch::Tensor>{x})), manta::Error);
}

TEST(ServeTorch, RequestsAreJoinedWhereTheyCanBe) {
  std::vector<std::int64_t> sizes;
  const Forward forward = [&](const std::vector<torch::Tensor>& inputs) {
    sizes.push_back(inputs[0].size(0));
    if (inputs[0].size(1) == 7) throw std::runtime_error("seven columns");
    return std::vector<torch::Tensor>{inputs[0] * 2, inputs[0].sum(1)};
  };
  std::vector<InferenceRequest> requests;
  for (const int columns : {2, 2, 3, 2, 7}) {
    requests.push_back(request_of(torch::full({static_cast<std::int64_t>(requests.size()) + 1, columns}, columns)));
  }
  const auto results = infer(Batch<InferenceRequest>(requests), {}, forward);
  EXPECT_THAT(sizes, ::testing::UnorderedElementsAre(1 + 2 + 4, 3, 5));
  for (std::size_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(results[i]) << results[i].error().what();
    EXPECT_TRUE(to_torch(results[i]->outputs[0]).equal(to_torch(requests[i].inputs[0]) * 2));
    EXPECT_EQ(results[i]->outputs[1].shape, std::vector<std::int64_t>{static_cast<std::int64_t>(i) + 1});
    EXPECT_EQ(results[i]->outputs[1].name, "output__1");
  }
  ASSERT_FALSE(results[4]);
  EXPECT_THAT(results[4].error().what(), HasSubstr("seven columns"));
}

TEST(ServeTorch, AModelThatMixesItsRowsIsComputedApart) {
  const Forward forward = [](const std::vector<torch::Tensor>& inputs) { return std::vector<torch::Tensor>{inputs[0].sum()}; };
  const std::vector<InferenceRequest> requests{request_of(torch::ones({2, 2})), request_of(torch::ones({3, 2}))};
  const auto results = infer(Batch<InferenceRequest>(requests), {}, forward);
  EXPECT_EQ(to_torch(results[0]->outputs[0]).item<float>(), 4);
  EXPECT_EQ(to_torch(results[1]->outputs[0]).item<float>(), 6);
}

TEST(ServeTorch, EveryType) {
  for (const at::ScalarType type : {at::kBool, at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kHalf, at::kBFloat16, at::kFloat,
                                    at::kDouble}) {
    const torch::Tensor tensor = torch::ones({2, 3}).to(type).t();
    EXPECT_TRUE(to_torch(from_torch("x", tensor)).equal(tensor)) << type;
  }
  EXPECT_THROW((void)from_torch("x", torch::ones({1}, torch::kComplexFloat)), HttpError);
  EXPECT_THROW((void)to_torch({.name = "x", .type = DataType::BYTES}), HttpError);
}

TEST(ServeTorch, AFileThatIsNoModelIsNamed) {
  const std::string file = ::testing::TempDir() + "manta_no_model." + std::to_string(::getpid());
  std::ofstream(file) << "nothing";
  try {
    const TorchScriptModel model(file);
    ADD_FAILURE() << "it was loaded";
  } catch (const manta::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(file + " is no TorchScript model that can be loaded"));
  }
  torch::jit::Module module("m");
  module.define("def forward(self, a, b):\n  return a + b\n");
  module.save(file);
  EXPECT_EQ(TorchScriptModel(file).info().inputs[1].name, "b");
  EXPECT_THROW(TorchScriptModel(file, {.inputs = {{"only"}}}), manta::Error);
  std::remove(file.c_str());
}

}  // namespace
}  // namespace manta::serve::testing
