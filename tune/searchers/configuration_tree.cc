#include "tune/searchers/configuration_tree.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <manta/error.h>

namespace manta::tune::detail {

namespace {

struct Values {
  double low = 0, size = 0;
};
Values values_of(std::string_view name, const Distribution& distribution) {
  if (distribution.kind == Distribution::Kind::categorical)
    return {0, static_cast<double>(distribution.choices->size())};
  if (distribution.kind == Distribution::Kind::integer)
    return {distribution.low, distribution.high - distribution.low + 1};
  if (distribution.low == distribution.high) return {distribution.low, 1};
  throw Error(
      ErrorCode::invalid_argument,
      "BruteForceSearcher: parameter '" + std::string(name) +
          "' is a real, of which there are too many values to try all. Next: let it be an integer or a choice.");
}

}  // namespace

bool ConfigurationTree::Node::take(std::string_view parameter, const Distribution& distribution) {
  const Values values = values_of(parameter, distribution);
  if (known) return name == parameter && low == values.low && size == values.size;
  known = true;
  name = parameter;
  low = values.low;
  size = left = values.size;
  return true;
}

ConfigurationTree::Node& ConfigurationTree::branch(Node& of, double number) {
  std::unique_ptr<Node>& node = of.branches[static_cast<std::int64_t>(number - of.low)];
  if (!node) node = std::make_unique<Node>();
  return *node;
}

void ConfigurationTree::add(std::span<const Param> params) {
  struct Step {
    Node* node;
    double left;  // before
  };
  std::vector<Step> path{{&root_, root_.left}};
  bool fits = true;
  for (const Param& param : params) {
    fits = path.back().node->take(param.name, param.distribution);
    if (!fits) break;
    Node& next = branch(*path.back().node, param.number);
    path.push_back({&next, next.left});
  }
  Node& last = *path.back().node;
  if (fits && !last.known) {
    last.known = true;
    last.left = 0;
  }
  for (std::size_t i = path.size() - 1; i > 0; --i) path[i - 1].node->left += path[i].node->left - path[i].left;
}

double ConfigurationTree::choose(std::span<const Param> params, std::string_view name, const Distribution& distribution,
                                 Draws& draws) const {
  const Values values = values_of(name, distribution);
  const Node* node = &root_;
  for (const Param& param : params) {
    const auto next = node->branches.find(static_cast<std::int64_t>(param.number - node->low));
    node = node->name != param.name || next == node->branches.end() ? nullptr : next->second.get();
    if (node == nullptr) break;
  }
  const bool known = node != nullptr && node->known && node->name == name && node->size == values.size;
  if (known && node->left > 0) return node->low + choose_of(*node, draws);
  return values.low + std::min(std::floor(draws.share() * values.size), values.size - 1);
}

double ConfigurationTree::choose_of(const Node& node, Draws& draws) {
  double open = node.size;  // branches behind which something is left
  for (const auto& [value, next] : node.branches) open -= next->left == 0 ? 1 : 0;
  const auto weight = [&](double left) { return left > 0 ? 0.5 * left / node.left + 0.5 / open : 0; };
  double share = draws.share();
  double last = -1;
  for (const auto& [value, next] : node.branches) {
    if (next->left == 0) continue;
    last = static_cast<double>(value);
    share -= weight(next->left);
    if (share < 0) return last;
  }
  const double missing = node.size - static_cast<double>(node.branches.size());
  if (missing == 0) return last;  // of a share that rounding has left over
  auto at = static_cast<std::int64_t>(std::min(std::floor(share / weight(1)), missing - 1));
  for (const auto& [value, next] : node.branches) {
    if (value > at) break;
    ++at;
  }
  return static_cast<double>(at);
}

}  // namespace manta::tune::detail
