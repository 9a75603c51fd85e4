#include "rl/vector_env/cart_pole_batch.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <manta/rl/detail/batch_checks.h>

#include "rl/env/cart_pole_constants.h"

namespace manta::rl {

cart_pole::Steps cart_pole::best_steps() {
#ifdef MANTA_CART_POLE_AVX2
  static const bool avx2 = __builtin_cpu_supports("avx2") != 0;
  if (avx2) return steps_avx2;
#endif
  return steps_anywhere;
}

CartPoleBatch::CartPoleBatch(std::size_t num_envs, const EnvOptions& options, cart_pole::Steps steps)
    : mode_(options.autoreset),
      limit_(detail::checked_limit(CartPole::kId, num_envs, options, CartPole::kMaxEpisodeSteps)),
      steps_(steps),
      observation_space_(CartPole::observation_space()),
      action_space_(CartPole::action_space()),
      lengths_(num_envs),
      generators_(num_envs),
      started_(num_envs),
      scratch_(num_envs) {
  if (limit_ == 0) limit_ = std::numeric_limits<std::int64_t>::max();
  for (auto& quantity : quantities_) quantity.resize(num_envs);
}

void CartPoleBatch::start(std::size_t i, std::span<float> observations) {
  for (std::size_t k = 0; k < kQuantities; ++k) {
    quantities_[k][i] = generators_[i].uniform(-cart_pole::kResetRange, cart_pole::kResetRange);
    observations[kQuantities * i + k] = static_cast<float>(quantities_[k][i]);
  }
  lengths_[i] = 0;
}

void CartPoleBatch::reset(std::uint64_t seed, std::span<float> observations) {
  detail::check_rows(*this, "observations", observations.size(), kQuantities);
  finished_.clear();
  ended_.clear();
  for (std::size_t i = 0; i < num_envs(); ++i) {
    generators_[i] = Rng(seed + i);
    start(i, observations);
  }
  std::ranges::fill(started_, std::uint8_t{1});
  all_started_ = true;
}

void CartPoleBatch::reset_where(std::span<const std::uint8_t> mask, std::span<float> observations) {
  detail::check_rows(*this, "mask", mask.size(), 1);
  detail::check_rows(*this, "observations", observations.size(), kQuantities);
  finished_.clear();
  std::erase_if(ended_, [&](std::uint32_t i) { return mask[i] != 0; });
  for (std::size_t i = 0; i < num_envs(); ++i) {
    if (mask[i] == 0) continue;
    start(i, observations);
    started_[i] = 1;
  }
  all_started_ = std::ranges::all_of(started_, [](std::uint8_t started) { return started != 0; });
}

void CartPoleBatch::check_actions(std::span<const std::int64_t> actions) const {
  std::uint64_t bits = 0;
  for (const std::int64_t action : actions) bits |= static_cast<std::uint64_t>(action);
  if (bits > 1) detail::check_discrete(*this, actions);
}

void CartPoleBatch::step(std::span<const std::int64_t> actions, const StepBatch& out) {
  detail::check_step(*this, actions.size(), out);
  check_actions(actions);
  if (!all_started_) {
    const auto first = std::ranges::find(started_, std::uint8_t{0});
    detail::throw_not_reset(*this, static_cast<std::size_t>(first - started_.begin()), false);
  }
  if (mode_ == AutoresetMode::disabled && !ended_.empty()) detail::throw_not_reset(*this, ended_.front(), true);
  finished_.clear();
  for (const std::uint32_t i : ended_) {
    for (auto& quantity : quantities_) quantity[i] = 0;
    lengths_[i] = -1;
  }
  const cart_pole::Carts carts{quantities_[0].data(), quantities_[1].data(), quantities_[2].data(),
                               quantities_[3].data(), lengths_.data()};
  const std::size_t ends =
      steps_(carts, num_envs(), limit_,
             {actions.data(), out.observations.data(), out.rewards.data(), out.terminated.data(), out.truncated.data()},
             scratch_.data());
  for (const std::uint32_t i : ended_) {
    start(i, out.observations);
    out.rewards[i] = 0;
  }
  ended_.assign(scratch_.begin(), scratch_.begin() + static_cast<std::ptrdiff_t>(ends));
  for (const std::uint32_t i : ended_) finished_.push_back({i, static_cast<double>(lengths_[i]), lengths_[i]});
  if (mode_ != AutoresetMode::same_step) return;
  for (const std::uint32_t i : ended_) {
    if (!out.final_observations.empty()) {
      std::ranges::copy(out.observations.subspan(kQuantities * i, kQuantities),
                        out.final_observations.begin() + static_cast<std::ptrdiff_t>(kQuantities * i));
    }
    start(i, out.observations);
  }
  ended_.clear();
}

void CartPoleBatch::step(std::span<const float>, const StepBatch&) { detail::throw_wrong_actions(*this); }

std::string CartPoleBatch::save_state() const {
  serial::Writer writer;
  const auto head = detail::head_of(*this);
  writer(head, quantities_[0], quantities_[1], quantities_[2], quantities_[3], lengths_, generators_, started_, ended_);
  return detail::bytes_of(writer);
}

void CartPoleBatch::load_state(std::string_view state) {
  detail::read_state(*this, state, [&](serial::Reader& reader) {
    const std::size_t n = num_envs();
    std::vector<double> quantities[kQuantities];
    std::vector<std::int64_t> lengths;
    std::vector<Rng> generators;
    std::vector<std::uint8_t> started;
    std::vector<std::uint32_t> ended;
    reader(quantities[0], quantities[1], quantities[2], quantities[3], lengths, generators, started, ended);
    bool whole = lengths.size() == n && generators.size() == n && started.size() == n && ended.size() <= n;
    for (const auto& quantity : quantities) whole = whole && quantity.size() == n;
    for (const std::uint32_t i : ended) whole = whole && i < n;
    if (!whole) throw Error(ErrorCode::invalid_argument, "parts of it are of another size");
    std::ranges::move(quantities, std::begin(quantities_));
    lengths_ = std::move(lengths);
    generators_ = std::move(generators);
    started_ = std::move(started);
    ended_ = std::move(ended);
  });
  all_started_ = std::ranges::all_of(started_, [](std::uint8_t started) { return started != 0; });
  finished_.clear();
}

}  // namespace manta::rl
