#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <manta/tune/scheduler.h>

#include "tune/schedulers/refusal.h"
#include "tune/searchers/draws.h"

namespace manta::tune {

namespace {

// The best of a growing set of scores: one in `factor`, at least one.
class GrowingTop {
 public:
  explicit GrowingTop(std::int64_t factor) : factor_(static_cast<std::size_t>(factor)) {}
  void add(double score) {
    rest_.insert(score);
    if (!top_.empty() && score > *top_.begin()) {
      rest_.insert(top_.extract(top_.begin()));
      move_up();
    }
    while (top_.size() < std::max<std::size_t>(1, size() / factor_)) move_up();
  }
  std::size_t size() const { return top_.size() + rest_.size(); }
  double worst_of_top() const { return *top_.begin(); }

 private:
  void move_up() { top_.insert(rest_.extract(std::prev(rest_.end()))); }

  std::size_t factor_;
  std::multiset<double> top_, rest_;
};

}  // namespace

struct HyperBand::Impl {
  struct Bracket {
    std::int64_t first = 1;         // iterations at its first rung
    std::uint64_t share = 0;        // of trials, in proportion
    std::vector<GrowingTop> rungs;  // as far as trials have come
  };

  HyperBandOptions options;
  std::vector<Bracket> brackets;
  std::uint64_t shares = 0;
  std::unordered_map<std::int64_t, std::size_t> passed;  // rungs, by trial
};

HyperBand::HyperBand(HyperBandOptions options) : impl_(std::make_unique<Impl>()) {
  const std::string name = "HyperBand";
  detail::require(options.min_t >= 1 && options.max_t >= options.min_t, name,
                  "min_t " + std::to_string(options.min_t) + " and max_t " + std::to_string(options.max_t) +
                      " make no sense. Next: 1 <= min_t <= max_t.");
  detail::require(options.reduction_factor >= 2, name,
                  "reduction_factor is " + std::to_string(options.reduction_factor) + ". Next: give at least 2.");
  detail::require(options.bootstrap_trials >= 0, name, "bootstrap_trials is below 0. Next: 0 is none.");
  impl_->options = options;
  for (std::int64_t first = options.min_t; first <= options.max_t; first *= options.reduction_factor) {
    impl_->brackets.push_back({first, 0, {}});
    if (first > options.max_t / options.reduction_factor) break;
  }
  const auto count = static_cast<double>(impl_->brackets.size());
  double left = count;  // rungs of the bracket
  for (Impl::Bracket& bracket : impl_->brackets) {
    const double trials = std::ceil(count * std::pow(options.reduction_factor, left - 1) / left);
    bracket.share = static_cast<std::uint64_t>(trials);
    impl_->shares += bracket.share;
    --left;
  }
}
HyperBand::~HyperBand() = default;

int HyperBand::brackets() const { return static_cast<int>(impl_->brackets.size()); }

int HyperBand::bracket_of(std::int64_t trial) const {
  std::uint64_t left = detail::Draws(impl_->options.seed, trial, "bracket").bits() % impl_->shares;
  int bracket = 0;
  for (const Impl::Bracket& each : impl_->brackets) {
    if (left < each.share) break;
    left -= each.share;
    ++bracket;
  }
  return bracket;
}

Decision HyperBand::on_report(const TrialRecord& trial, std::int64_t iteration, double score) {
  const HyperBandOptions& options = impl_->options;
  if (iteration >= options.max_t) return Decision::finish;
  Impl::Bracket& bracket = impl_->brackets[static_cast<std::size_t>(bracket_of(trial.number))];
  std::size_t& passed = impl_->passed[trial.number];
  const auto at = [&](std::size_t rung) {
    return static_cast<double>(bracket.first) * std::pow(options.reduction_factor, static_cast<double>(rung));
  };
  while (static_cast<double>(iteration) >= at(passed)) {
    if (std::isnan(score) || score == -INFINITY) return Decision::stop;
    if (bracket.rungs.size() == passed) bracket.rungs.emplace_back(options.reduction_factor);
    GrowingTop& rung = bracket.rungs[passed++];
    rung.add(score);
    const bool too_few = static_cast<std::int64_t>(rung.size()) <= options.bootstrap_trials;
    if (too_few || score < rung.worst_of_top()) return Decision::stop;
  }
  return Decision::go_on;
}

}  // namespace manta::tune
