// Columns as tensors, and a training that is fed and resumed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>

#include <torch/torch.h>

#include <manta/data/torch.h>
#include <manta/manta.h>
#include <manta/train/trainer.h>

#include "tests/data/tables.h"

namespace manta::data {
namespace {

using ::testing::HasSubstr;

struct Sample {
  std::array<float, 4> x;
  std::int64_t label;
};

std::vector<Sample> samples(int count) {
  std::vector<Sample> rows;
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<float>(i);
    rows.push_back({{at, at + 1, at / 2, -at}, i % 3});
  }
  return rows;
}

TensorBatch normalise(const TensorBatch& batch) { return {{"x", batch.at("x") / 10}, {"label", batch.at("label")}}; }

/// A model of the user's: a network that is made once in each actor.
class Network {
 public:
  explicit Network(double scale) : linear_(torch::nn::Linear(4, 1)) {
    torch::NoGradGuard guard;
    linear_->weight.fill_(scale);
    linear_->bias.zero_();
  }
  TensorBatch operator()(const TensorBatch& batch) {
    torch::NoGradGuard guard;
    return {{"y", linear_->forward(batch.at("x")).squeeze(1)}};
  }

 private:
  torch::nn::Linear linear_;
};

TEST(Tensors, AreViewsOfColumns) {
  const Block block = block_of(samples(10));
  torch::Tensor x = block["x"], label = block["label"];
  EXPECT_EQ(x.sizes(), (torch::IntArrayRef{10, 4}));
  EXPECT_EQ(static_cast<const void*>(x.const_data_ptr()), block["x"].child(0).parts().values.data);
  EXPECT_EQ(x[3][2].item<float>(), 1.5F);
  EXPECT_EQ(label.dtype(), torch::kLong);
  torch::Tensor part = block.slice(4, 3)["x"];
  EXPECT_EQ(part.sizes(), (torch::IntArrayRef{3, 4}));
  EXPECT_EQ(part[0][0].item<float>(), 4);
  const Column back = column_of(torch::arange(24).reshape({2, 3, 4}).to(torch::kFloat));
  EXPECT_EQ(to_string(back.type()), "FLOAT[4][3]");
  EXPECT_EQ(back.rows(), 2);
  EXPECT_TRUE(torch::equal(static_cast<torch::Tensor>(back), torch::arange(24).reshape({2, 3, 4}).to(torch::kFloat)));
  const Block messy = block_of(messy_rows(1, 200));
  EXPECT_THAT(message_of([&] { (void)static_cast<torch::Tensor>(messy["key"]); }), HasSubstr("VARCHAR"));
  EXPECT_THAT(message_of([&] { (void)static_cast<torch::Tensor>(messy["x"]); }), HasSubstr("nulls cannot be a tensor"));
}

TEST(Tensors, GoThroughFunctionsAndModels) {
  const Dataset table = from_rows(samples(1000)).map_batches<normalise>();
  EXPECT_EQ(table.schema().to_string(), "label  BIGINT\nx      FLOAT[4]\n");
  const Block y = table.map_batches<Network>(2.0).block();
  ASSERT_EQ(y.rows(), 1000);
  for (int i : {0, 7, 999}) EXPECT_NEAR(y["y"].values<float>()[static_cast<std::size_t>(i)], 0.2 * (1.5 * i + 1), 1e-2);
}

// --- a training of two workers, whose ids of samples are written down ---

struct Config {
  std::vector<Shard> shards;
  std::string log;
  std::string kill_at_5;   // a file that says that it was done; empty: not
  std::int64_t steps = 0;  // at which it ends
};

void loop(train::Context& context, const Config& config) {
  Shard shard = config.shards.at(static_cast<std::size_t>(context.rank()));
  std::int64_t step = 0;
  train::State state;
  state.add("data", shard).add("step", step);
  context.resume(state);
  std::ofstream log(config.log + "." + std::to_string(context.rank()), std::ios::app);
  for (const Block& batch : shard.batches(10, {.drop_last = true})) {
    const torch::Tensor value = batch["value"];
    if (step == 5 && context.rank() == 1 && !config.kill_at_5.empty() && !std::filesystem::exists(config.kill_at_5)) {
      std::ofstream(config.kill_at_5) << "done";
      ::kill(::getpid(), SIGKILL);
    }
    log << step;
    for (int i = 0; i < 10; ++i) log << " " << value[i].item<std::int64_t>();
    log << std::endl;
    ++step;
    context.report({{"step", static_cast<double>(step)}}, state);
    if (step == config.steps) break;
  }
}

/// The ids of each step, in the order of ranks; of a step that was repeated those of the last time.
std::vector<std::int64_t> logged(const std::string& log, int ranks, std::int64_t from_step) {
  std::map<std::pair<std::int64_t, int>, std::vector<std::int64_t>> steps;
  for (int rank = 0; rank < ranks; ++rank) {
    std::ifstream in(log + "." + std::to_string(rank));
    for (std::string line; std::getline(in, line);) {
      std::istringstream words(line);
      std::int64_t step = 0;
      words >> step;
      std::vector<std::int64_t> ids;
      for (std::int64_t id = 0; words >> id;) ids.push_back(id);
      if (step >= from_step) steps[{step, rank}] = ids;
    }
  }
  std::vector<std::int64_t> all;
  for (const auto& [at, ids] : steps) all.insert(all.end(), ids.begin(), ids.end());
  return all;
}

std::vector<Block> numbers() {
  std::vector<Block> blocks;
  for (std::int64_t i = 0; i < 40; ++i) {
    std::vector<std::int64_t> values(static_cast<std::size_t>(10 + i % 3));
    for (std::size_t k = 0; k < values.size(); ++k) values[k] = i * 100 + static_cast<std::int64_t>(k);
    blocks.emplace_back(Schema({{"value", Kind::int64}}), std::vector<Column>{column_of(std::move(values))});
  }
  return blocks;
}

TEST(Training, ResumesAtTheSameSampleAfterAKillAndWithOtherWorkers) {
  const TemporaryFolder folder;
  const Dataset data = from_blocks(numbers()).shuffle({.seed = 9, .window_rows = 60});
  std::vector<std::int64_t> undisturbed;
  for (const Block& batch : data.batches(10)) {
    for (const std::int64_t id : batch["value"].values<std::int64_t>()) undisturbed.push_back(id);
  }
  train::RunConfig run{.name = "run", .storage_path = folder.string(), .tensorboard = false};
  Config config{data.streaming_split(2), folder / "two", folder / "killed", 8};
  const auto first = train::Trainer<loop>({.num_workers = 2}, run).fit(config);
  EXPECT_EQ(first.restarts, 1);
  const std::vector<std::int64_t> two = logged(folder / "two", 2, 0);
  EXPECT_EQ(two, std::vector<std::int64_t>(undisturbed.begin(), undisturbed.begin() + 160));
  run.resume = true;
  config = {data.streaming_split(3), folder / "three", {}, 1000};
  EXPECT_EQ(train::Trainer<loop>({.num_workers = 3}, run).fit(config).restarts, 0);
  const std::vector<std::int64_t> three = logged(folder / "three", 3, 8);
  ASSERT_GT(three.size(), 200U);
  EXPECT_EQ(three, std::vector<std::int64_t>(undisturbed.begin() + 160, undisturbed.begin() + 160 + std::ssize(three)));
}

}  // namespace
}  // namespace manta::data
