#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <manta/error.h>
#include <manta/tune/searcher.h>

#include "tune/searchers/cma_es.h"
#include "tune/searchers/fronts.h"
#include "tune/searchers/history_columns.h"
#include "tune/searchers/scale.h"

namespace manta::tune {

using detail::CmaEs;
using detail::Draws;
using detail::Scale;

struct CmaEsSearcher::Impl {
  explicit Impl(const CmaEsOptions& given) : options(given), random(given.seed) {}

  // The parameters are known, or are fewer than before: the search begins, or begins again with what is known.
  void set_up() {
    version = known.version();
    parameters.clear();
    for (const detail::Column& column : known.columns()) {
      if (column.distribution.kind != Distribution::Kind::categorical &&
          column.distribution.low < column.distribution.high)
        parameters.push_back(&column - known.columns().data());
    }
    told.clear();
    runs = 0;
    strategy.reset();
    if (!parameters.empty()) start();
  }

  void start() {
    const auto n = static_cast<Eigen::Index>(parameters.size());
    const double default_size = 4 + std::floor(3 * std::log(static_cast<double>(n)));
    const double size = (options.population > 0 ? options.population : default_size) * std::pow(2.0, runs);
    // One of ten points lies nearer to the neighbour of an integer than to it, at least.
    CmaEs::Vector mean(n), least = CmaEs::Vector::Zero(n);
    Draws draws(options.seed, runs, "start");
    for (Eigen::Index i = 0; i < n; ++i) {
      mean[i] = runs == 0 ? 0.5 : draws.share();
      const Distribution& distribution = column(i).distribution;
      if (distribution.kind == Distribution::Kind::integer)
        least[i] = 0.3 * Scale(distribution).share_of(distribution.low + 0.5);
    }
    strategy.emplace(mean, options.sigma, static_cast<std::size_t>(size), least);
    ++runs;
  }

  const detail::Column& column(Eigen::Index i) const {
    return known.columns()[static_cast<std::size_t>(parameters[static_cast<std::size_t>(i)])];
  }

  void tell(const History& history) {
    std::vector<CmaEs::Point> generation;
    std::vector<std::size_t> from;
    for (std::size_t i = 0; i < history.trials.size(); ++i) {
      const TrialRecord& trial = history.trials[i];
      const bool ended = trial.status == TrialStatus::complete || trial.status == TrialStatus::stopped;
      if (!ended || !trial.value || std::isnan(*trial.value) || told.contains(i)) continue;
      CmaEs::Point sample{CmaEs::Vector(static_cast<Eigen::Index>(parameters.size())), *trial.value};
      if (history.mode == Mode::max) sample.value = -sample.value;
      for (Eigen::Index d = 0; d < sample.x.size(); ++d) {
        sample.x[d] = Scale(column(d).distribution).share_of(column(d).numbers[i]);
      }
      if (!sample.x.allFinite()) continue;
      generation.push_back(std::move(sample));
      from.push_back(i);
      if (generation.size() < strategy->population()) continue;
      told.insert(from.begin(), from.end());
      strategy->tell(std::exchange(generation, {}));
      from.clear();
      if (strategy->converged() && options.restarts) start();
    }
  }

  CmaEsOptions options;
  RandomSearcher random;
  detail::HistoryColumns known;
  int version = -1;
  std::vector<std::ptrdiff_t> parameters;  // places in known.columns()
  std::optional<CmaEs> strategy;
  std::int64_t runs = 0;
  std::set<std::size_t> told;  // trials that the strategy knows
  // Of the trial that is being made:
  std::int64_t making = -1;
  CmaEs::Vector point;
};

CmaEsSearcher::CmaEsSearcher(CmaEsOptions options) {
  if (options.population < 0 || options.population == 1 || options.population == 2) {
    throw Error(ErrorCode::invalid_argument, "CmaEsSearcher: CmaEsOptions::population is " +
                                                 std::to_string(options.population) +
                                                 ". Next: give at least 3, or 0 for the default.");
  }
  if (!(options.sigma > 0) || !std::isfinite(options.sigma)) {
    throw Error(ErrorCode::invalid_argument, "CmaEsSearcher: CmaEsOptions::sigma is " + std::to_string(options.sigma) +
                                                 ". Next: give a positive number, such as 1.0 / 6.");
  }
  impl_ = std::make_unique<Impl>(options);
}
CmaEsSearcher::~CmaEsSearcher() = default;

void CmaEsSearcher::begin(const History& history, const TrialRecord& trial) {
  detail::require_one_objective(history, "CmaEsSearcher");
  Impl& impl = *impl_;
  impl.making = trial.number;
  impl.point.resize(0);
  impl.known.update(history.trials);
  if (impl.known.columns().empty()) return;
  if (impl.version != impl.known.version()) impl.set_up();
  if (!impl.strategy) return;
  impl.tell(history);
  Draws draws(impl.options.seed, trial.number, "sample");
  impl.point = impl.strategy->sample(draws);
}

double CmaEsSearcher::suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) {
  if (trial.number == impl_->making) {
    for (Eigen::Index i = 0; i < impl_->point.size(); ++i) {
      const detail::Column& column = impl_->column(i);
      if (column.name == name && column.distribution == distribution)
        return Scale(distribution).number_at(impl_->point[i]);
    }
  }
  return impl_->random.suggest(trial, name, distribution);
}

}  // namespace manta::tune
