#include <manta/train/checkpoint.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <manta/train/safetensors.h>
#include <manta/train/sampler.h>

#include "tests/support/file_limit.h"
#include "tests/support/folder.h"
#include "tests/support/message.h"

namespace manta::train {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct NetImpl : torch::nn::Module {
  explicit NetImpl(int hidden = 7)
      : in(register_module("in", torch::nn::Linear(5, hidden))),
        norm(register_module("norm", torch::nn::BatchNorm1d(hidden))),
        drop(register_module("drop", torch::nn::Dropout(0.3))),
        out(register_module("out", torch::nn::Linear(torch::nn::LinearOptions(hidden, 1).bias(false)))) {}
  torch::Tensor forward(const torch::Tensor& x) { return out(drop(torch::relu(norm(in(x))))); }
  torch::nn::Linear in;
  torch::nn::BatchNorm1d norm;
  torch::nn::Dropout drop;
  torch::nn::Linear out;
};
TORCH_MODULE(Net);

std::vector<torch::Tensor> copy_of(const torch::nn::Module& module) {
  std::vector<torch::Tensor> copies;
  for (const auto& tensor : module.parameters()) copies.push_back(tensor.detach().clone());
  for (const auto& tensor : module.buffers()) copies.push_back(tensor.clone());
  return copies;
}

bool same_bits(const std::vector<torch::Tensor>& a, const std::vector<torch::Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return torch::equal(x, y); });
}

// A training that uses all state that must be restored: momentum or moments, running means, dropout, order of the
// data.
template <class Optimizer, class Options>
struct Training {
  explicit Training(const Options& options) : optimizer(net->parameters(), options) {
    state.add("model", *net).add("optimizer", optimizer).add("sampler", sampler).add("step", step).add("rate", rate);
    state.add("note", note).add("mean", mean);
  }
  void steps(int count) {
    for (; count > 0; --count, ++step) {
      auto indices = sampler.next(8);
      if (!indices) {
        sampler.next_epoch();
        indices = sampler.next(8);
      }
      rate *= 0.97;
      optimizer.param_groups()[0].options().set_lr(rate);
      optimizer.zero_grad();
      const auto loss =
          torch::mse_loss(net(data.index_select(0, *indices)), data.index_select(0, *indices).sum(1, true));
      loss.backward();
      optimizer.step();
      mean = mean.defined() ? mean * 0.9 + loss.detach() : loss.detach();
    }
  }

  torch::Tensor data = torch::arange(60 * 5, torch::kFloat).reshape({60, 5}).sin();
  Net net;
  Optimizer optimizer;
  DistributedSampler sampler{60, {.seed = 3}};
  std::int64_t step = 0;
  double rate = 0.05;
  std::string note = "ä\n";
  torch::Tensor mean;
  State state;
};

class CheckpointTest : public FolderTest {
 protected:
  template <class Optimizer, class Options>
  void continues_as_uninterrupted(const Options& options) {
    torch::manual_seed(1);
    Training<Optimizer, Options> whole(options);
    whole.steps(11);
    Checkpoint::save(folder_ / "c", whole.state, {.random_states = {random_state()}});
    whole.steps(13);
    const torch::Tensor after = torch::rand({4});

    torch::manual_seed(2);
    Training<Optimizer, Options> resumed(options);
    resumed.steps(3);  // its state differs, also in shape: all of it must be replaced
    const Checkpoint checkpoint(folder_ / "c");
    checkpoint.restore(resumed.state);
    set_random_state(checkpoint.random_state(0));
    EXPECT_EQ(resumed.step, 11);
    resumed.steps(13);
    EXPECT_TRUE(same_bits(copy_of(*whole.net), copy_of(*resumed.net)));
    EXPECT_TRUE(torch::equal(whole.mean, resumed.mean));
    EXPECT_EQ(whole.rate, resumed.rate);
    EXPECT_EQ(whole.sampler.state_dict(), resumed.sampler.state_dict());
    EXPECT_TRUE(torch::equal(torch::rand({4}), after));
  }
};

TEST_F(CheckpointTest, SgdWithMomentumContinuesToTheBit) {
  continues_as_uninterrupted<torch::optim::SGD>(torch::optim::SGDOptions(0.05).momentum(0.9).nesterov(true));
}
TEST_F(CheckpointTest, AdamContinuesToTheBit) {
  continues_as_uninterrupted<torch::optim::Adam>(torch::optim::AdamOptions(0.05).amsgrad(true));
}
TEST_F(CheckpointTest, AdamWContinuesToTheBit) {
  continues_as_uninterrupted<torch::optim::AdamW>(torch::optim::AdamWOptions(0.05));
}
TEST_F(CheckpointTest, RmspropContinuesToTheBit) {
  continues_as_uninterrupted<torch::optim::RMSprop>(torch::optim::RMSpropOptions(0.05).momentum(0.5).centered(true));
}

TEST_F(CheckpointTest, OptimizerThatHadNoStateYetLosesIt) {
  Net net;
  torch::optim::Adam optimizer(net->parameters(), torch::optim::AdamOptions(0.1));
  State state;
  state.add("optimizer", optimizer);
  Checkpoint::save(folder_ / "c", state);
  net(torch::ones({2, 5})).sum().backward();
  optimizer.step();
  ASSERT_FALSE(optimizer.state().empty());
  Checkpoint(folder_ / "c").restore(state);
  EXPECT_TRUE(optimizer.state().empty());
}

TEST_F(CheckpointTest, ValuesComeBackToTheBit) {
  std::int64_t whole = std::numeric_limits<std::int64_t>::min();
  double tenth = 0.1, zero = -0.0, infinite = -INFINITY, none = NAN, tiny = 5e-324;
  std::string text = "{\"double\": \"NaN\"}";
  torch::Tensor undefined, half = torch::rand({3, 2}).to(torch::kHalf), many = torch::arange(3);
  State state;
  state.add("whole", whole).add("tenth", tenth).add("zero", zero).add("infinite", infinite).add("none", none);
  state.add("tiny", tiny).add("text", text).add("undefined", undefined).add("half", half).add("many", many);
  const Metrics metrics{{"loss", NAN}, {"accuracy", 0.1 + 0.2}};
  Checkpoint::save(folder_ / "deep/er/c/", state, {.metrics = metrics, .step = 42});

  const torch::Tensor before = half.clone();
  whole = 1, tenth = zero = infinite = none = tiny = 2, text = "", undefined = torch::ones(2), half.zero_(),
  many.reset();
  const Checkpoint checkpoint(folder_ / "deep/er/c");
  checkpoint.restore(state);
  EXPECT_EQ(whole, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(tenth, 0.1);
  EXPECT_TRUE(zero == 0 && std::signbit(zero));
  EXPECT_EQ(infinite, -INFINITY);
  EXPECT_TRUE(std::isnan(none));
  EXPECT_EQ(tiny, 5e-324);
  EXPECT_EQ(text, "{\"double\": \"NaN\"}");
  EXPECT_FALSE(undefined.defined());
  EXPECT_TRUE(torch::equal(half, before));
  EXPECT_TRUE(torch::equal(many, torch::arange(3)));
  EXPECT_EQ(checkpoint.step(), 42);
  EXPECT_EQ(checkpoint.metrics().at("accuracy"), 0.1 + 0.2);
  EXPECT_TRUE(std::isnan(checkpoint.metrics().at("loss")));
  EXPECT_EQ(checkpoint.world_size(), 0);
  EXPECT_GT(checkpoint.time(), 1.6e9);
}

TEST_F(CheckpointTest, OneNetworkHasPyTorchsNamesSeveralHaveTheirs) {
  Net one, two;
  State alone, both;
  alone.add("model", *one);
  both.add("actor", *one).add("critic", *two);
  Checkpoint::save(folder_ / "alone", alone);
  Checkpoint::save(folder_ / "both", both);
  EXPECT_TRUE(load_safetensors(folder_ / "alone/model.safetensors").tensors.contains("norm.running_mean"));
  EXPECT_TRUE(load_safetensors(folder_ / "both/model.safetensors").tensors.contains("critic.in.weight"));
  const auto before = copy_of(*two);
  two->in->weight.detach().zero_();
  State critic;
  critic.add("critic", *two);  // part of what was saved
  Checkpoint(folder_ / "both").restore(critic);
  EXPECT_TRUE(same_bits(before, copy_of(*two)));
}

TEST_F(CheckpointTest, SaysAllThatDoesNotFitAndChangesNothing) {
  Net saved(7), other(6);
  torch::optim::SGD sgd(saved->parameters(), 0.1);
  torch::optim::Adam adam(other->parameters());
  std::int64_t step = 5;
  double real = 1;
  State state, asked;
  state.add("model", *saved).add("optimizer", sgd).add("step", step).add("number", step);
  Checkpoint::save(folder_ / "c", state);
  step = 9;
  asked.add("step", step).add("model", *other).add("optimizer", adam).add("number", real).add("missing", real);
  const auto before = copy_of(*other);
  EXPECT_THAT(message_of([&] { Checkpoint(folder_ / "c").restore(asked); }),
              AllOf(HasSubstr("model.in.weight: saved as Float[7, 5], asked for as Float[6, 5]"),
                    HasSubstr("optimizer: saved from \"torch::optim::SGD\", asked for as \"torch::optim::Adam\""),
                    HasSubstr("number: saved as number, asked for as double"),
                    HasSubstr("missing: not in the checkpoint"), HasSubstr("Next: ")));
  EXPECT_EQ(step, 9);
  EXPECT_TRUE(same_bits(before, copy_of(*other)));

  torch::nn::Linear small(5, 7);
  State part;
  part.add("model", *small);
  EXPECT_THAT(
      message_of([&] { Checkpoint(folder_ / "c").restore(part); }),
      AllOf(HasSubstr("model.weight: not in the checkpoint"), HasSubstr("model.in.weight: in the checkpoint only")));
}

struct Stubborn {
  StateDict state_dict() const { return {{"value", value}}; }
  void load_state_dict(const StateDict&) { throw Error(ErrorCode::invalid_argument, "I will not"); }
  std::int64_t value = 1;
};

TEST_F(CheckpointTest, FailureOfTheUsersPartUndoesTheOthers) {
  Net net;
  torch::optim::SGD optimizer(net->parameters(), torch::optim::SGDOptions(0.1).momentum(0.9));
  DistributedSampler sampler(10);
  Stubborn stubborn;
  State state;
  state.add("model", *net).add("optimizer", optimizer).add("sampler", sampler).add("stubborn", stubborn);
  Checkpoint::save(folder_ / "c", state);
  optimizer.param_groups()[0].options().set_lr(0.7);
  net(torch::ones({2, 5})).sum().backward();
  optimizer.step();
  sampler.next(3);
  const auto before = copy_of(*net);
  const std::size_t buffers = optimizer.state().size();
  EXPECT_THAT(message_of([&] { Checkpoint(folder_ / "c").restore(state); }), HasSubstr("I will not"));
  EXPECT_EQ(optimizer.param_groups()[0].options().get_lr(), 0.7);
  EXPECT_EQ(optimizer.state().size(), buffers);
  EXPECT_EQ(sampler.taken(), 3);
  EXPECT_TRUE(same_bits(before, copy_of(*net)));
}

TEST_F(CheckpointTest, DamageIsSaidAtTheOpening) {
  Net net;
  torch::optim::SGD optimizer(net->parameters(), 0.1);
  State state;
  state.add("model", *net).add("optimizer", optimizer);
  const fs::path folder = folder_ / "c";
  const auto damaged = [&](const std::string& file, const std::string& content) {
    fs::remove_all(folder);
    Checkpoint::save(folder, state);
    content.empty() ? fs::resize_file(folder / file, 20), void() : write(folder / file, content);
    return message_of([&] { Checkpoint checkpoint(folder); });
  };
  EXPECT_THAT(damaged("model.safetensors", ""),
              AllOf(HasSubstr("c/model.safetensors: has 20 bytes instead of "), HasSubstr("Next: ")));
  EXPECT_THAT(damaged("optimizer.pt", ""), HasSubstr("c/optimizer.pt: has 20 bytes instead of "));
  EXPECT_THAT(damaged("state.json", ""), HasSubstr("c/state.json: is damaged"));
  EXPECT_THAT(damaged("state.json", "[1]"), HasSubstr("c/state.json: is damaged"));
  EXPECT_THAT(damaged("state.json", R"({"format": "manta.train.checkpoint", "version": 3})"),
              HasSubstr("has version 3 of the format; this program knows version 2"));
  EXPECT_THAT(damaged("state.json", R"({"format": "else"})"), HasSubstr("is not that of a checkpoint"));
  fs::remove_all(folder);
  Checkpoint::save(folder, state);
  fs::remove(folder / "optimizer.pt");
  EXPECT_THAT(message_of([&] { Checkpoint checkpoint(folder); }), HasSubstr("c/optimizer.pt: missing"));
  fs::remove(folder / "state.json");
  EXPECT_THAT(message_of([&] { Checkpoint checkpoint(folder); }), HasSubstr("c/state.json: cannot be opened"));
  EXPECT_THAT(message_of([&] { Checkpoint checkpoint(folder_ / "none"); }), HasSubstr("there is no such checkpoint"));
}

TEST_F(CheckpointTest, DamageInsideOfAnOptimizersFileLeavesItAsItWas) {
  Net net;
  torch::optim::SGD optimizer(net->parameters(), 0.1);
  State state;
  state.add("optimizer", optimizer);
  Checkpoint::save(folder_ / "c", state);
  write(folder_ / "c/optimizer.pt", std::string(fs::file_size(folder_ / "c/optimizer.pt"), 'x'));
  optimizer.param_groups()[0].options().set_lr(0.7);
  EXPECT_THAT(message_of([&] { Checkpoint(folder_ / "c").restore(state); }), HasSubstr("c/optimizer.pt: is damaged"));
  EXPECT_EQ(optimizer.param_groups()[0].options().get_lr(), 0.7);
}

TEST_F(CheckpointTest, NeverOverwritesAndTakesWhatADeadProcessLeft) {
  State state;
  fs::create_directories(folder_ / "c.part");  // like after a kill in the middle of a save
  write(folder_ / "c.part/model.safetensors", "half");
  EXPECT_THAT(message_of([&] { Checkpoint checkpoint(folder_ / "c"); }), HasSubstr("there is no such checkpoint"));
  Checkpoint::save(folder_ / "c", state);
  EXPECT_FALSE(fs::exists(folder_ / "c/model.safetensors"));
  EXPECT_FALSE(fs::exists(folder_ / "c.part"));
  EXPECT_THAT(message_of([&] { Checkpoint::save(folder_ / "c", state); }), HasSubstr("exists already"));
}

TEST_F(CheckpointTest, AFullDiskLeavesNothing) {
  Net net(2000);
  torch::optim::SGD optimizer(net->parameters(), 0.1);
  State state;
  state.add("model", *net).add("optimizer", optimizer);
  const auto save = [&] { Checkpoint::save(folder_ / "c", state); };
  save();
  for (const char* file : {"model.safetensors", "optimizer.pt", "state.json"}) {
    const auto bytes = fs::file_size(folder_ / "c" / file);
    for (const std::uintmax_t limit : {std::uintmax_t{0}, bytes / 2, bytes - 1}) {
      fs::remove_all(folder_ / "c");
      std::string message;
      {
        const FileLimit full(limit);
        message = message_of(save);
      }
      EXPECT_THAT(message, AllOf(HasSubstr("cannot be written"), HasSubstr("Next: free some space")));
      EXPECT_TRUE(fs::is_empty(folder_)) << limit;
    }
    save();
  }
}

TEST_F(CheckpointTest, AFolderThatCannotBeMadeIsNamed) {
  write(folder_ / "file", "");
  EXPECT_THAT(message_of([&] { Checkpoint::save(folder_ / "file/c", State()); }), HasSubstr("cannot be made"));
}

TEST(State, RefusesNamesThatCannotNameFiles) {
  State state;
  std::int64_t step = 0;
  for (const char* name : {"", "a/b", "..", "a.b", "a b"}) {
    EXPECT_THAT(message_of([&] { state.add(name, step); }), HasSubstr("it names a file")) << name;
  }
  state.add("a", step);
  EXPECT_THAT(message_of([&] { state.add("a", step); }), HasSubstr("the name is taken"));
}

TEST(RandomState, RefusesWhatIsNone) {
  const torch::Tensor before = random_state();
  EXPECT_THAT(message_of([] { set_random_state(torch::zeros(3)); }),
              HasSubstr("no state of the CPU's random generator"));
  EXPECT_TRUE(torch::equal(random_state(), before));
}

// A schedule that resumes from a checkpoint continues as without interruption.
template <class Scheduler, class Step>
void expect_a_schedule_to_go_on(const std::filesystem::path& folder, const Scheduler& make, const Step& step) {
  const auto train = [&](int until, bool restores, std::vector<double>& rates) {
    torch::nn::Linear net(2, 1);
    torch::optim::SGD optimizer(net->parameters(), 1.0);
    auto scheduler = make(optimizer);
    std::int64_t at = 0;
    State state;
    state.add("optimizer", optimizer).add("scheduler", scheduler).add("at", at);
    if (restores) Checkpoint(folder).restore(state);
    while (at < until) {
      step(scheduler, at++);
      rates.push_back(optimizer.param_groups()[0].options().get_lr());
    }
    if (until == 5) Checkpoint::save(folder, state);
  };
  std::vector<double> at_once, in_parts;
  train(12, false, at_once);
  train(5, false, in_parts);
  train(12, true, in_parts);
  EXPECT_EQ(at_once, in_parts);
  EXPECT_LT(at_once.back(), 1.0);
}

TEST_F(CheckpointTest, LearningRateSchedulesGoOn) {
  expect_a_schedule_to_go_on(
      folder_ / "step", [](torch::optim::Optimizer& optimizer) { return torch::optim::StepLR(optimizer, 3, 0.5); },
      [](torch::optim::StepLR& scheduler, std::int64_t) { scheduler.step(); });
  using Plateau = torch::optim::ReduceLROnPlateauScheduler;
  expect_a_schedule_to_go_on(
      folder_ / "plateau", [](torch::optim::Optimizer& optimizer) { return Plateau(optimizer, Plateau::min, 0.5, 2); },
      [](Plateau& scheduler, std::int64_t at) { scheduler.step(at < 3 ? 3.0F - static_cast<float>(at) : 1.0F); });
}

}  // namespace
}  // namespace manta::train
