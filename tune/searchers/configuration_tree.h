// The configurations of a finite space that trials have had, as a tree: a node is a parameter, a branch one of its
// values. What lies behind a value is known once a trial has had it.
//
// Threading: one thread. Ownership: of its nodes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <manta/tune/distribution.h>

#include "tune/searchers/draws.h"

namespace manta::tune::detail {

class ConfigurationTree {
 public:
  // A trial that was made with these parameters, in this order. Those that contradict earlier ones, as another space
  // does, are left out.
  void add(std::span<const Param> params);
  // A value for the next parameter of a trial that has those parameters so far, of those behind which something is
  // left: half by how much is known to be left there, half all alike. All of them where nothing is.
  double choose(std::span<const Param> params, std::string_view name, const Distribution& distribution,
                Draws& draws) const;
  // Whether nothing is left, as far as is known; false before there was a trial.
  bool exhausted() const { return root_.known && root_.left == 0; }

 private:
  struct Node {
    bool known = false;  // what its parameter is; a leaf has none
    std::string name;
    double low = 0;
    double size = 0;                                         // number of values; 0 of a leaf
    double left = 1;                                         // configurations that no trial had, as far as is known
    std::map<std::int64_t, std::unique_ptr<Node>> branches;  // by value - low; one that is missing has 1 left

    // Whether it is that parameter, or becomes it.
    bool take(std::string_view parameter, const Distribution& distribution);
  };

  static Node& branch(Node& of, double number);
  static double choose_of(const Node& node, Draws& draws);

  Node root_;
};

}  // namespace manta::tune::detail
