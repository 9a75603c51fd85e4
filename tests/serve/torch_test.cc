// LibTorch's models as deployments: modules of the C++ API, TorchScript files, conversion of tensors.
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>
#include <torch/script.h>
#include <torch/torch.h>

#include <manta/manta.h>
#include <manta/serve.h>
#include <manta/serve/torch.h>
#include <manta/torch.h>

#include "tests/support/http_client.h"

namespace manta::serve::testing {
namespace {

using manta::testing::Answer;
using manta::testing::HttpClient;

using ::testing::HasSubstr;

struct NetImpl : torch::nn::Module {
  NetImpl()
      : linear(register_module("linear", torch::nn::Linear(3, 2))),
        norm(register_module("norm", torch::nn::BatchNorm1d(2))) {}
  torch::Tensor forward(const torch::Tensor& x) { return norm(linear(x)); }
  torch::nn::Linear linear;
  torch::nn::BatchNorm1d norm;
};
TORCH_MODULE(Net);

InferenceRequest request_of(const torch::Tensor& tensor, const std::string& name = "x") {
  return {.inputs = {from_torch(name, tensor)}};
}

TEST(ServeTorch, AModuleOfTheCppApi) {
  Net net;
  net->norm->running_mean.fill_(0.5);
  net->eval();
  Server server({.port = 0});
  const auto handle = server.run(
      deployment<TorchModule<Net>>({.name = "net", .num_replicas = 2}, state_of(*net),
                                   ModelInfo{.inputs = {{"x", DataType::FP32, {-1, 3}}}, .outputs = {{"y"}}}));
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
  testing::HttpClient client(server.address());
  const Answer answer = client.post("/v2/models/net/infer",
                                    R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[1,2,3]}]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto y = nlohmann::json::parse(answer.body)["outputs"][0]["data"].get<std::vector<float>>();
  EXPECT_TRUE(torch::tensor(y).allclose(net(torch::tensor({{1.F, 2.F, 3.F}})).flatten()));
  EXPECT_THROW(server.run(deployment<TorchModule<Net>>({.name = "other"}, std::vector<torch::Tensor>{x})),
               manta::Error);
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
  const auto results = infer(Batch<InferenceRequest>(requests), {.max_batch_size = 100}, forward);
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

TEST(ServeTorch, NoMoreSamplesAreJoinedThanTheModelSays) {
  std::vector<std::int64_t> sizes;
  const Forward forward = [&](const std::vector<torch::Tensor>& inputs) {
    sizes.push_back(inputs[0].size(0));
    return std::vector<torch::Tensor>{inputs[0]};
  };
  std::vector<InferenceRequest> requests;
  for (const int rows : {3, 3, 3, 9, 1}) requests.push_back(request_of(torch::ones({rows, 2})));
  for (const auto& each : infer(Batch<InferenceRequest>(requests), {.max_batch_size = 8}, forward)) EXPECT_TRUE(each);
  EXPECT_EQ(sizes, (std::vector<std::int64_t>{6, 3, 9, 1}));
}

TEST(ServeTorch, AModelThatMixesItsRowsIsComputedApart) {
  const Forward sum = [](const std::vector<torch::Tensor>& inputs) {
    return std::vector<torch::Tensor>{inputs[0].sum()};
  };
  const Forward centred = [](const std::vector<torch::Tensor>& inputs) {
    return std::vector<torch::Tensor>{inputs[0] - inputs[0].mean(0)};
  };
  const std::vector<torch::Tensor> inputs{torch::randn({2, 2}), torch::randn({3, 2}), torch::randn({2, 2})};
  const std::vector<InferenceRequest> requests{request_of(inputs[0]), request_of(inputs[1]), request_of(inputs[2])};
  const ModelInfo fixed{.inputs = {{"x", DataType::FP32, {-1, 2}}}, .outputs = {{"y", DataType::FP32, {-1, 2}}}};
  const auto sums = infer(Batch<InferenceRequest>(requests), {}, sum);
  const auto rows = infer(Batch<InferenceRequest>(requests), fixed, centred);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_TRUE(to_torch(sums[i]->outputs[0]).equal(inputs[i].sum())) << "its outputs have no rows";
    EXPECT_TRUE(to_torch(rows[i]->outputs[0]).equal(inputs[i] - inputs[i].mean(0)))
        << "they have, but nothing says that they are apart";
  }
}

TEST(ServeTorch, EveryType) {
  for (const at::ScalarType type : {at::kBool, at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kHalf,
                                    at::kBFloat16, at::kFloat, at::kDouble}) {
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
  EXPECT_FALSE(TorchScriptModel(file).info().inputs[1].type) << "of which nothing is known";
  EXPECT_THROW(TorchScriptModel(file, {.inputs = {{"only"}}}), manta::Error);
  EXPECT_THROW(TorchScriptModel(file, {.inputs = {{"a"}}}), manta::Error);
  EXPECT_THROW(TorchScriptModel(file, {.inputs = {{"a", DataType::FP32, {4}}, {"b"}}, .max_batch_size = 8}),
               manta::Error);
  std::remove(file.c_str());
}

// An exception as torch.jit.script writes it: with the name of Python's class.
struct PythonException : torch::jit::SugaredValue {
  explicit PythonException(const std::string& name) : qualified("builtins." + name) {}
  std::string kind() const override { return "Python exception"; }
  std::shared_ptr<torch::jit::SugaredValue> call(const torch::jit::SourceRange& at, torch::jit::GraphFunction& function,
                                                 at::ArrayRef<torch::jit::NamedValue> arguments,
                                                 at::ArrayRef<torch::jit::NamedValue>, std::size_t) override {
    torch::jit::Graph& graph = *function.graph();
    return std::make_shared<torch::jit::ExceptionMessageValue>(arguments.at(0).value(graph),
                                                               torch::jit::insertConstant(graph, qualified, at));
  }
  std::string qualified;
};
struct PythonNames : torch::jit::NativeResolver {
  std::shared_ptr<torch::jit::SugaredValue> resolveValue(const std::string& name, torch::jit::GraphFunction& function,
                                                         const torch::jit::SourceRange& at) override {
    if (name.ends_with("Error")) return std::make_shared<PythonException>(name);
    return NativeResolver::resolveValue(name, function, at);
  }
};

// A model of the given source, loaded from a file.
class Script {
 public:
  explicit Script(const std::string& source, ModelInfo info = {})
      : file_(::testing::TempDir() + "manta_script." + std::to_string(::getpid())) {
    torch::jit::Module module("m");
    module.define(source, std::make_shared<PythonNames>());
    module.save(file_);
    model_.emplace(file_, std::move(info));
  }
  ~Script() { std::remove(file_.c_str()); }

  Result<InferenceResponse> operator()(const std::vector<std::pair<std::string, torch::Tensor>>& inputs) {
    InferenceRequest request;
    for (const auto& [name, tensor] : inputs) request.inputs.push_back(from_torch(name, tensor));
    const std::vector<InferenceRequest> requests{request};
    return (*model_)(Batch<InferenceRequest>(requests)).front();
  }
  TorchScriptModel& model() { return *model_; }
  const std::string& file() const { return file_; }

 private:
  std::string file_;
  std::optional<TorchScriptModel> model_;
};

std::vector<std::string> names_of(const InferenceResponse& response) {
  std::vector<std::string> names;
  for (const Tensor& each : response.outputs) names.push_back(each.name);
  return names;
}

const torch::Tensor kOne = torch::ones({2});

TEST(Script, DefaultsOptionalsAndNumbers) {
  Script model(R"(
    def forward(self, x, scale: float = 2.0, times: int = 1, shift: Optional[Tensor] = None, negate: bool = False):
      y = x * scale * times
      if shift is not None:
        y = y + shift
      if negate:
        y = -y
      return y
  )");
  const auto value = [&](const std::vector<std::pair<std::string, torch::Tensor>>& inputs) {
    const auto response = model(inputs);
    return response ? to_torch(response->outputs.at(0))[0].item<float>() : -1000;
  };
  EXPECT_EQ(value({{"x", kOne}}), 2);
  EXPECT_EQ(value({{"x", kOne}, {"scale", torch::tensor(3.0)}}), 3);
  EXPECT_EQ(value({{"times", torch::tensor({4})}, {"x", kOne}, {"shift", kOne}}), 9);
  EXPECT_EQ(value({{"x", kOne}, {"negate", torch::tensor(true)}}), -2);
  EXPECT_EQ(model({{"x", kOne}, {"times", torch::tensor(1.5)}}).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(model({{"x", kOne}, {"times", torch::tensor({1, 2})}}).error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(model({{"scale", torch::tensor(1.0)}}).error().what(),
              HasSubstr("there is no input 'x'; the request has: scale"));
  EXPECT_THAT(model({{"x", kOne}, {"z", kOne}}).error().what(),
              HasSubstr("the model has no input 'z'; it takes: x, scale, times, shift, negate"));
  const auto inputs = model.model().info().inputs;
  EXPECT_FALSE(inputs[0].optional);
  EXPECT_TRUE(inputs[1].optional && inputs[3].optional);
}

TEST(Script, ListsTuplesAndDictionariesOfInputs) {
  Script model(R"(
    def forward(self, xs: List[Tensor], pair: Tuple[Tensor, Tensor], named: Dict[str, Tensor], sizes: List[int] = [1]):
      total = pair[0] - pair[1]
      for x in xs:
        total = total + x
      for key in named:
        total = total + named[key] * len(key)
      for size in sizes:
        total = total * size
      return total
  )");
  const auto response = model({{"xs__1", kOne},
                               {"xs__0", kOne * 2},
                               {"pair__0", kOne * 10},
                               {"pair__1", kOne},
                               {"named__abc", kOne},
                               {"sizes", torch::tensor({2, 5})}});
  ASSERT_TRUE(response) << response.error().what();
  EXPECT_EQ(to_torch(response->outputs[0])[1].item<float>(), (10 - 1 + 1 + 2 + 3) * 10);
  EXPECT_THAT(model({{"xs__0", kOne}, {"pair__0", kOne}, {"named__a", kOne}}).error().what(),
              HasSubstr("there is no input 'pair__1'"));
  EXPECT_THAT(model({{"xs__0", kOne}, {"xs__2", kOne}, {"pair__0", kOne}, {"pair__1", kOne}, {"named__a", kOne}})
                  .error()
                  .what(),
              HasSubstr("the model has no input 'xs__2'"));
  EXPECT_THROW(Script("def forward(self, x, text: str):\n  return x\n"), manta::Error);
  EXPECT_TRUE(Script("def forward(self, x, text: str = 'a'):\n  return x\n")({{"x", kOne}}));
}

TEST(Script, ADictionaryOfInputsOverHttp) {
  const Script model(R"(
    def forward(self, named: Dict[str, Tensor], scale: float = 1.0):
      return (named['a'] - named['b']) * scale
  )");
  Server server = run(deployment<TorchScriptModel>({.name = "m"}, model.file()), {.port = 0});
  HttpClient client(server.address());
  const auto ask = [&](const std::string& inputs) {
    return client.post("/v2/models/m/infer", "{\"inputs\":[" + inputs + "]}");
  };
  const auto input = [](const std::string& name) {
    return "{\"name\":\"" + name + "\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":[3]}";
  };
  EXPECT_THAT(ask(input("named__a") + "," + input("named__b")).body, HasSubstr("\"data\":[0.0]"));
  const Answer without = ask(input("scale"));
  EXPECT_EQ(without.status, 400);
  EXPECT_THAT(without.body, HasSubstr("there is no input 'named'"));
  const Answer unknown = ask(input("named__a") + "," + input("other"));
  EXPECT_EQ(unknown.status, 400);
  EXPECT_THAT(unknown.body, HasSubstr("the model has no input 'other'; it takes: named, scale"));
}

TEST(Script, ResultsOfManyKinds) {
  const std::vector<std::pair<std::string, torch::Tensor>> x{{"x", kOne}};
  const auto names = [&](const std::string& returned, ModelInfo info = {}) {
    Script model("def forward(self, x):\n  return " + returned + "\n", std::move(info));
    const auto response = model(x);
    return response ? names_of(*response) : std::vector<std::string>{response.error().what()};
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names("x"), Names{"output__0"});
  EXPECT_EQ(names("{'scores': x, 'classes': x}"), (Names{"scores", "classes"}));
  EXPECT_EQ(names("[x, x]"), (Names{"output__0", "output__1"}));
  EXPECT_EQ(names("(x, {'a': x, 'b': x}, [x])"), (Names{"output__0", "output__1__a", "output__1__b", "output__2__0"}));
  EXPECT_EQ(names("(x.size(0), 2.5, True)"), (Names{"output__0", "output__1", "output__2"}));
  EXPECT_EQ(names("(x, x)", {.outputs = {{"first"}, {"second"}}}), (Names{"first", "second"}));
  EXPECT_EQ(names("{'a': x, 'b': x}", {.outputs = {{"b"}, {"a"}}}), (Names{"b", "a"}));
  EXPECT_THAT(names("x", {.outputs = {{"a"}, {"b"}}}).at(0),
              HasSubstr("the model returns 1 outputs (output__0), 2 are declared"));
  EXPECT_THAT(names("'text'").at(0), HasSubstr("which is no tensor"));
}

TEST(Script, WhatAModelThrowsIsTheRequestsOrTheModelsFaultWithTheWholeMessage) {
  Script model(R"(
    def forward(self, x):
      if x.numel() == 3:
        raise ValueError("three elements\nare too many")
      if x.numel() == 4:
        raise RuntimeError("no weights for four")
      return x + torch.ones([2])
  )");
  EXPECT_TRUE(model({{"x", kOne}}));
  const auto wrong = model({{"x", torch::ones({3})}}).error();
  EXPECT_EQ(wrong.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(wrong.what(), HasSubstr("the model refuses these inputs: "));
  EXPECT_THAT(wrong.what(), HasSubstr("three elements\nare too many"));
  const auto broken = model({{"x", torch::ones({4})}}).error();
  EXPECT_EQ(broken.code(), ErrorCode::internal);
  EXPECT_THAT(broken.what(), HasSubstr("no weights for four"));
  EXPECT_THAT(broken.what(), HasSubstr("raise RuntimeError")) << "the line of the model is named";
  const auto misfit = model({{"x", torch::ones({5})}}).error();
  EXPECT_EQ(misfit.code(), ErrorCode::internal);
  EXPECT_THAT(misfit.what(), HasSubstr("The size of tensor a (5) must match the size of tensor b (2)"));
}

}  // namespace
}  // namespace manta::serve::testing
