#include "tune/searchers/fronts.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include <manta/error.h>
#include <manta/tune/pareto.h>

namespace manta::tune {

namespace detail {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<std::size_t> sorted_places(const std::vector<Losses>& losses) {
  std::vector<std::size_t> order(losses.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return losses[a] < losses[b]; });
  return order;
}

// Of points below the reference, of which none dominates another in the first `objectives` objectives; or any.
double volume_in(std::vector<const double*> points, const Losses& reference, std::size_t objectives) {
  const std::size_t last = objectives - 1;
  if (objectives == 1) {
    double least = reference[0];
    for (const double* point : points) least = std::min(least, point[0]);
    return reference[0] - least;
  }
  std::sort(points.begin(), points.end(), [last](const double* a, const double* b) { return a[last] < b[last]; });
  double volume = 0;
  if (objectives == 2) {
    double least = reference[0];
    for (std::size_t i = 0; i < points.size(); ++i) {
      least = std::min(least, points[i][0]);
      const double end = i + 1 < points.size() ? points[i + 1][1] : reference[1];
      if (end > points[i][1]) volume += (reference[0] - least) * (end - points[i][1]);
    }
    return volume;
  }
  std::vector<const double*> slice;  // the points up to there
  for (std::size_t i = 0; i < points.size(); ++i) {
    slice.push_back(points[i]);
    const double end = i + 1 < points.size() ? points[i + 1][last] : reference[last];
    if (end > points[i][last]) volume += volume_in(slice, reference, last) * (end - points[i][last]);
  }
  return volume;
}

}  // namespace

Losses losses_of(const TrialRecord& trial, std::span<const Mode> modes) {
  Losses losses;
  for (std::size_t i = 0; i < modes.size(); ++i) {
    const double value = modes.size() == 1 ? *trial.value : trial.values[i];
    losses.push_back(modes[i] == Mode::min ? value : -value);
  }
  return losses;
}

bool has_values(const TrialRecord& trial, std::size_t objectives) {
  if (objectives == 1) return trial.value && !std::isnan(*trial.value);
  return trial.values.size() == objectives &&
         std::none_of(trial.values.begin(), trial.values.end(), [](double value) { return std::isnan(value); });
}

void require_one_objective(const History& history, const char* searcher) {
  if (history.modes.size() <= 1) return;
  throw Error(ErrorCode::invalid_argument, std::string(searcher) + ": the study has " +
                                               std::to_string(history.modes.size()) +
                                               " objectives, and it searches for one. Next: use TpeSearcher or "
                                               "NsgaIISearcher.");
}

bool dominates(std::span<const double> a, std::span<const double> b) {
  bool better = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] > b[i]) return false;
    better = better || a[i] < b[i];
  }
  return better;
}

std::vector<int> fronts_of(const std::vector<Losses>& losses, const std::vector<double>& violations) {
  std::vector<int> fronts(losses.size(), -1);
  std::vector<std::vector<std::size_t>> members;
  const auto keeps = [&](std::size_t i) { return violations.empty() || !(violations[i] > 0); };
  // None dominates one that comes before it in this order.
  for (const std::size_t i : sorted_places(losses)) {
    if (!keeps(i)) continue;
    std::size_t front = 0;
    const auto is_dominated = [&](const std::vector<std::size_t>& by) {
      return std::any_of(by.rbegin(), by.rend(),
                         [&](std::size_t other) { return dominates(losses[other], losses[i]); });
    };
    while (front < members.size() && is_dominated(members[front])) ++front;
    if (front == members.size()) members.emplace_back();
    members[front].push_back(i);
    fronts[i] = static_cast<int>(front);
  }
  std::vector<std::pair<double, std::size_t>> broken;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    if (!keeps(i)) broken.emplace_back(violations[i], i);
  }
  std::sort(broken.begin(), broken.end());
  auto front = static_cast<int>(members.size()) - 1;
  double before = 0;
  for (const auto& [violation, i] : broken) {
    if (violation != before) ++front;
    before = violation;
    fronts[i] = front;
  }
  return fronts;
}

std::vector<double> crowding_of(const std::vector<Losses>& front) {
  std::vector<double> distances(front.size());
  if (front.empty()) return distances;
  std::vector<std::size_t> order(front.size());
  for (std::size_t objective = 0; objective < front[0].size(); ++objective) {
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return front[a][objective] < front[b][objective]; });
    const auto at = [&](std::size_t i) { return front[order[i]][objective]; };
    const std::size_t last = order.size() - 1;
    if (at(0) == at(last)) continue;
    double least = kInfinity, most = -kInfinity;  // of the finite ones
    for (std::size_t i = 0; i <= last; ++i) {
      if (!std::isfinite(at(i))) continue;
      least = std::min(least, at(i));
      most = std::max(most, at(i));
    }
    const double width = most > least ? most - least : 1;
    for (std::size_t i = 0; i <= last; ++i) {
      const double before = i == 0 ? -kInfinity : at(i - 1), after = i == last ? kInfinity : at(i + 1);
      if (before != after) distances[order[i]] += (after - before) / width;
    }
  }
  return distances;
}

double volume_of(std::vector<Losses> points, const Losses& reference) {
  std::vector<const double*> below;
  for (const Losses& point : points) {
    bool is_below = true;
    for (std::size_t i = 0; i < reference.size(); ++i) is_below = is_below && point[i] < reference[i];
    if (is_below) below.push_back(point.data());
  }
  return below.empty() ? 0 : volume_in(std::move(below), reference, reference.size());
}

std::vector<std::size_t> largest_subset(const std::vector<Losses>& points, std::size_t size) {
  std::vector<std::size_t> order = sorted_places(points);
  // Equal points count once, as long as there are others.
  std::vector<std::size_t> again;
  const auto different = [&](std::size_t i) { return i == 0 || points[order[i]] != points[order[i - 1]]; };
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < order.size(); ++i) (different(i) ? left : again).push_back(order[i]);
  if (left.size() < size) {
    left.insert(left.end(), again.begin(), again.begin() + static_cast<std::ptrdiff_t>(size - left.size()));
    return left;
  }
  const std::size_t objectives = points[0].size();
  Losses reference(objectives);
  for (std::size_t d = 0; d < objectives; ++d) {
    double worst = -kInfinity;
    for (const Losses& point : points) worst = std::max(worst, point[d]);
    reference[d] = std::max(1.1 * worst, 0.9 * worst);
    if (reference[d] == 0) reference[d] = 1e-12;
    if (!std::isfinite(reference[d]) || left.size() == size) {
      left.resize(size);
      return left;
    }
  }
  std::vector<std::size_t> chosen;
  std::vector<Losses> volume;                         // of the chosen ones
  std::vector<double> gains(left.size(), kInfinity);  // at most: what each adds only falls
  double sum = 0;
  while (chosen.size() < size) {
    std::size_t best = 0;
    std::vector<bool> exact(left.size());
    for (;;) {
      best = static_cast<std::size_t>(std::max_element(gains.begin(), gains.end()) - gains.begin());
      if (exact[best]) break;
      volume.push_back(points[left[best]]);
      const double with = volume_of(volume, reference);
      gains[best] = std::isinf(with) ? (std::isinf(sum) ? 0 : std::numeric_limits<double>::max()) : with - sum;
      exact[best] = true;
      volume.pop_back();
    }
    chosen.push_back(left[best]);
    volume.push_back(points[left[best]]);
    sum = volume_of(volume, reference);
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(best));
    gains.erase(gains.begin() + static_cast<std::ptrdiff_t>(best));
  }
  return chosen;
}

std::vector<std::size_t> best_by_volume(const std::vector<Losses>& losses, std::size_t size) {
  const std::vector<int> fronts = fronts_of(losses);
  std::vector<std::size_t> best;
  for (int front = 0; best.size() < size; ++front) {
    std::vector<std::size_t> places;
    std::vector<Losses> members;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      if (fronts[i] != front) continue;
      places.push_back(i);
      members.push_back(losses[i]);
    }
    if (best.size() + places.size() <= size) {
      best.insert(best.end(), places.begin(), places.end());
      continue;
    }
    for (const std::size_t i : largest_subset(members, size - best.size())) best.push_back(places[i]);
  }
  std::sort(best.begin(), best.end());
  return best;
}

}  // namespace detail

double violation_of(const TrialRecord& trial) {
  double sum = 0;
  for (const auto& [name, value] : trial.constraints) {
    if (std::isnan(value)) return detail::kInfinity;
    sum += std::max(value, 0.0);
  }
  return sum;
}

std::vector<std::size_t> pareto_front(std::span<const TrialRecord> trials, std::span<const Mode> modes) {
  std::vector<std::size_t> places;
  std::vector<detail::Losses> losses;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    const TrialRecord& trial = trials[i];
    if (trial.status != TrialStatus::complete || violation_of(trial) > 0 || !detail::has_values(trial, modes.size()))
      continue;
    places.push_back(i);
    losses.push_back(detail::losses_of(trial, modes));
  }
  // A member dominates what comes behind it in this order, if anything does.
  std::vector<std::size_t> front;
  for (const std::size_t i : detail::sorted_places(losses)) {
    const bool dominated = std::any_of(front.rbegin(), front.rend(),
                                       [&](std::size_t other) { return detail::dominates(losses[other], losses[i]); });
    if (!dominated) front.push_back(i);
  }
  for (std::size_t& i : front) i = places[i];
  std::sort(front.begin(), front.end());
  return front;
}

double hypervolume(const std::vector<std::vector<double>>& points, const std::vector<double>& reference,
                   std::span<const Mode> modes) {
  const auto loss_of = [&](const std::vector<double>& point) {
    if (point.size() != modes.size() || modes.empty()) {
      throw Error(ErrorCode::invalid_argument, "hypervolume: a point has " + std::to_string(point.size()) +
                                                   " values, and there are " + std::to_string(modes.size()) +
                                                   " modes. Next: give one for each objective.");
    }
    detail::Losses losses = point;
    for (std::size_t i = 0; i < losses.size(); ++i) losses[i] = modes[i] == Mode::min ? losses[i] : -losses[i];
    return losses;
  };
  std::vector<detail::Losses> losses;
  for (const std::vector<double>& point : points) losses.push_back(loss_of(point));
  return detail::volume_of(std::move(losses), loss_of(reference));
}

}  // namespace manta::tune
