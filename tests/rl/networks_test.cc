// Networks, distributions and losses against LibTorch's own operators and graph.
#include <cmath>

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "rl/algorithms/ppo_loss.h"
#include "rl/policy/adam.h"
#include "rl/policy/mlp_pass.h"
#include "rl/rollout/sampling.h"

namespace {

namespace rl = manta::rl;
using rl::detail::Minibatch;

double distance(const torch::Tensor& a, const torch::Tensor& b) { return (a - b).abs().max().item<double>(); }

rl::Box box(std::size_t size) { return {std::vector<float>(size, -1), std::vector<float>(size, 1)}; }

TEST(ActorCritic, WeightsAreOrthogonalWithTheirGains) {
  torch::manual_seed(5);
  const torch::Tensor expected = torch::rand({4});
  torch::manual_seed(5);
  const rl::ActorCritic network(4, rl::Discrete{2}, rl::NetworkOptions(), 7);
  EXPECT_TRUE(torch::rand({4}).equal(expected)) << "torch's own generator was used";
  const auto gain = [](const torch::Tensor& weight) {
    const torch::Tensor rows = weight.size(0) <= weight.size(1) ? weight : weight.t();
    const torch::Tensor square = rows.mm(rows.t());
    const double of = square[0][0].item<double>();
    EXPECT_LT(distance(square, of * torch::eye(rows.size(0))), 1e-5 * std::max(1.0, of));
    return std::sqrt(of);
  };
  const auto& actor = network->actor->layers();
  ASSERT_EQ(actor.size(), 3U);
  EXPECT_NEAR(gain(actor[0]->weight), std::sqrt(2.0), 1e-5);
  EXPECT_NEAR(gain(actor[1]->weight), std::sqrt(2.0), 1e-5);
  EXPECT_NEAR(gain(actor[2]->weight), 0.01, 1e-6);
  EXPECT_NEAR(gain(network->critic->layers()[2]->weight), 1, 1e-5);
  EXPECT_EQ(network->named_parameters().contains("actor.0.weight"), true);
}

TEST(ActorCritic, LikelihoodsAreThoseOfTheFormulas) {
  torch::manual_seed(1);
  const rl::ActorCritic choices(3, rl::Discrete{4}, rl::NetworkOptions(), 1);
  const torch::Tensor logits = torch::randn({6, 4}), chosen = torch::randint(4, {6}, torch::kLong);
  const auto discrete = choices->evaluate(logits, chosen);
  const torch::Tensor p = logits.softmax(-1);
  EXPECT_LT(distance(discrete.log_probs, p.gather(-1, chosen.unsqueeze(-1)).squeeze(-1).log()), 1e-6);
  EXPECT_LT(distance(discrete.entropies, -(p * p.log()).sum(-1)), 1e-6);

  const rl::ActorCritic normals(3, box(2), rl::NetworkOptions(), 1);
  const torch::NoGradGuard no_grad;
  normals->log_std.copy_(torch::tensor({0.3, -0.7}));
  const torch::Tensor means = torch::randn({6, 2}), actions = torch::randn({6, 2}), sigma = normals->log_std.exp();
  const auto continuous = normals->evaluate(means, actions);
  const torch::Tensor density =
      (-(actions - means).square() / (2 * sigma.square())).exp() / (sigma * std::sqrt(2 * M_PI));
  EXPECT_LT(distance(continuous.log_probs, density.prod(-1).log()), 1e-5);
  EXPECT_LT(distance(continuous.entropies, (0.5 * (2 * M_PI * M_E * sigma.square()).log()).sum().expand({6})), 1e-5);
}

TEST(Sampling, DrawsWhatTheProbabilitiesSay) {
  const std::vector<float> logits{0.1F, 1.2F, -0.7F};
  const torch::Tensor p = torch::tensor(logits).softmax(0);
  std::vector<int> counts(3);
  constexpr int kDraws = 30'000;
  for (int i = 0; i < kDraws; ++i) {
    float log_prob = 0;
    const auto action = rl::detail::draw_choice(logits.data(), 3, {9, 3, static_cast<std::uint64_t>(i)}, log_prob);
    ++counts[static_cast<std::size_t>(action)];
    EXPECT_NEAR(log_prob, std::log(p[action].item<double>()), 1e-5);
  }
  for (int i = 0; i < 3; ++i)
    EXPECT_NEAR(counts[static_cast<std::size_t>(i)] / double{kDraws}, p[i].item<double>(), 0.01);

  const std::vector<float> means{1, -2}, log_stds{0.5F, -1};
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    std::vector<float> drawn(2);
    float log_prob = 0;
    rl::detail::draw_normal(means.data(), log_stds.data(), 2, {9, 4, static_cast<std::uint64_t>(i)}, drawn.data(),
                            log_prob);
    const double z = (drawn[0] - means[0]) / std::exp(0.5), y = (drawn[1] - means[1]) / std::exp(-1.0);
    sum += z;
    squares += z * z;
    EXPECT_NEAR(log_prob, -0.5 * (z * z + y * y) - 0.5 + 1 - std::log(2 * M_PI), 1e-4);
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.03);
  EXPECT_NEAR(squares / kDraws, 1, 0.03);
}

TEST(MlpPass, IsWhatTheGraphComputes) {
  for (const auto* kernels : rl::detail::available_kernels()) {
    SCOPED_TRACE(kernels->name);
    for (const auto& hidden : std::vector<std::vector<std::int64_t>>{{64, 64}, {}, {120, 84}, {7}, {33, 5, 16}}) {
      for (const auto activation : {rl::Activation::tanh, rl::Activation::relu}) {
        for (const std::int64_t outputs : {1, 2, 6}) {
          torch::manual_seed(3);
          rl::Mlp network(5, outputs, 1.0, rl::NetworkOptions{hidden, activation},
                          at::make_generator<at::CPUGeneratorImpl>(3));
          rl::detail::FlatParameters parameters(*network);
          const torch::Tensor input = torch::randn({101, 5}), gradient = torch::randn({101, outputs});
          const torch::Tensor output = network->forward(input);
          (output * gradient).sum().backward();
          const torch::Tensor expected = parameters.gradients().clone();
          parameters.gradients().zero_();
          rl::detail::MlpPass pass(network, *kernels);
          pass.refresh();
          EXPECT_LT(distance(pass.forward(input), output), 1e-5);
          pass.backward(gradient);
          EXPECT_LT(distance(parameters.gradients(), expected), 2e-4)
              << hidden.size() << " hidden layers, outputs " << outputs;
        }
      }
    }
  }
}

TEST(MlpPass, ARowDependsOnNoOtherRow) {  // PERCEPTRON-1
  rl::Mlp network(5, 6, 1.0, rl::NetworkOptions{}, at::make_generator<at::CPUGeneratorImpl>(3));
  const torch::Tensor input = torch::randn({100, 5});
  for (const auto* kernels : rl::detail::available_kernels()) {
    rl::detail::MlpPass pass(network, *kernels);
    pass.refresh();
    const torch::Tensor all = pass.forward(input);
    for (const std::int64_t first : {0, 1, 49, 98}) {
      EXPECT_TRUE(pass.forward(input.narrow(0, first, 2).contiguous()).equal(all.narrow(0, first, 2))) << kernels->name;
    }
  }
}

// CleanRL's lines.
torch::Tensor loss_of_the_formula(const rl::ActorCriticImpl& network, const torch::Tensor& output,
                                  const torch::Tensor& values, const Minibatch& batch, const rl::PpoOptions& options) {
  const double clip = options.clip_coefficient;
  const auto [log_probs, entropies] = network.evaluate(output, batch.actions);
  const torch::Tensor ratio = (log_probs - batch.log_probs).exp();
  torch::Tensor advantages = batch.advantages;
  if (options.normalize_advantages) advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8);
  const torch::Tensor policy_loss =
      torch::max(-advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)).mean();
  torch::Tensor errors = (values - batch.returns).square();
  if (options.clip_value_loss) {
    const torch::Tensor near = batch.values + (values - batch.values).clamp(-clip, clip);
    errors = torch::max(errors, (near - batch.returns).square());
  }
  return policy_loss - *options.entropy_coefficient * entropies.mean() +
         options.value_coefficient * 0.5 * errors.mean();
}

TEST(PpoLoss, AndItsGradientAreThoseOfTheFormula) {
  for (const bool discrete : {true, false}) {
    for (const bool clip_values : {true, false}) {
      for (const bool normalize : {true, false}) {
        torch::manual_seed(4);
        const std::int64_t n = 200, size = 3;
        const rl::ActorCritic network(2, discrete ? rl::ActionSpace(rl::Discrete{size}) : rl::ActionSpace(box(size)),
                                      rl::NetworkOptions(), 1);
        if (!discrete) network->log_std.set_data(torch::tensor({0.2F, -0.4F, 0.1F}));
        const Minibatch batch{torch::randn({n, 2}),
                              discrete ? torch::randint(size, {n}, torch::kLong) : torch::randn({n, size}),
                              torch::randn({n}) * 0.3 - (discrete ? 1.1 : 4.5),
                              torch::randn({n}) * 2 + 1,
                              torch::randn({n}),
                              torch::randn({n}) * 0.3};
        rl::PpoOptions options{.entropy_coefficient = 0.01};
        options.clip_value_loss = clip_values;
        options.normalize_advantages = normalize;
        const torch::Tensor output = torch::randn({n, size}).requires_grad_(),
                            values = (torch::randn({n}) * 0.3).requires_grad_();
        const torch::Tensor expected = loss_of_the_formula(*network, output, values, batch, options);
        expected.backward();
        rl::detail::PpoLosses sums;
        const auto found = rl::detail::ppo_loss(*network, output, values, batch, options, sums);
        EXPECT_NEAR(sums.loss, expected.item<double>(), 1e-4 * std::abs(expected.item<double>()));
        EXPECT_LT(distance(found.output, output.grad()), 1e-6);
        EXPECT_LT(distance(found.values, values.grad()), 1e-7);
        EXPECT_EQ(found.log_std.defined(), !discrete);
        if (!discrete) {
          EXPECT_LT(distance(found.log_std, network->log_std.grad()), 1e-5);
        }
        EXPECT_GT(sums.clip_fraction, 0);
        EXPECT_GT(sums.approx_kl, 0);
      }
    }
  }
}

TEST(Adam, IsLibTorchs) {
  rl::ActorCritic ours(3, rl::Discrete{2}, rl::NetworkOptions(), 1),
      theirs(3, rl::Discrete{2}, rl::NetworkOptions(), 1);
  rl::detail::FlatParameters flat(*ours), expected(*theirs);
  rl::detail::Adam adam(flat, 1e-5);
  torch::optim::Adam reference(theirs->parameters(), torch::optim::AdamOptions(0.01).eps(1e-5));
  torch::manual_seed(2);
  for (int step = 0; step < 20; ++step) {
    const torch::Tensor gradient = torch::randn_like(flat.values()) * 3;
    flat.gradients().copy_(gradient);
    expected.gradients().copy_(gradient);
    flat.clip_gradients(0.5);
    torch::nn::utils::clip_grad_norm_(theirs->parameters(), 0.5);
    EXPECT_LT(distance(flat.gradients(), expected.gradients()), 1e-7);
    adam.step(0.01);
    reference.step();
  }
  EXPECT_LT(distance(flat.values(), expected.values()), 1e-5);
  EXPECT_GT(
      distance(flat.values(),
               rl::detail::FlatParameters(*rl::ActorCritic(3, rl::Discrete{2}, rl::NetworkOptions{}, 1)).values()),
      0.1);
}

}  // namespace
