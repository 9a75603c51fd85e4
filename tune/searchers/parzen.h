// A Parzen estimator of a density over several parameters: a mixture with one kernel for each observation, and one for
// the prior, the whole space. A kernel is a product over the parameters: normal distributions cut to the range, and for
// choices one with more weight on the observed one. Widths and weights are those of Optuna's TPESampler (Watanabe,
// arXiv 2304.11127, section 3.3).
//
// Threading: one thread. Ownership: it copies what it is given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <manta/tune/distribution.h>

#include "tune/searchers/draws.h"
#include "tune/searchers/scale.h"

namespace manta::tune::detail {

// Of the estimator's space: a parameter's values are those of its Scale, or the number of the choice.
struct Dimension {
  explicit Dimension(const Distribution& of)
      : choices(of.kind == Distribution::Kind::categorical ? of.choices->size() : 0),
        scale(choices > 0 ? Distribution() : of) {}
  std::size_t choices;  // 0: a number
  Scale scale;
};

class Parzen {
 public:
  using Order = std::vector<std::uint32_t>;

  // observations[d][i]: of the i-th trial, older ones first. orders[d]: places in observations[d], by value; empty
  // where they are not known.
  Parzen(std::span<const Dimension> dimensions, std::span<const std::vector<double>> observations,
         std::span<const Order> orders = {});

  // A point: numbers of the range, or choices, each as the scale has it.
  void sample(Draws& draws, std::vector<double>& point) const;
  double log_density(std::span<const double> point);

 private:
  struct Numbers {
    std::vector<double> centre, narrow;  // narrow: 1 / width of each kernel
  };
  struct Choices {
    std::vector<std::size_t> observed;
    double base = 0, more = 0;  // probability of a choice that was not observed, and of the one that was
    double prior = 0;           // of each, by the prior's kernel
  };

  void add_numbers(const Dimension& dimension, std::span<const double> observations, const Order& order);
  void add_choices(const Dimension& dimension, std::span<const double> observations);

  std::vector<Dimension> dimensions_;
  std::size_t kernels_;
  std::vector<double> cumulative_;  // weights of the kernels, added up
  std::vector<double> constant_;    // of each kernel's logarithm, whatever the point
  std::vector<Numbers> numbers_;    // by dimension; empty where it is a choice
  std::vector<Choices> choices_;
  std::vector<double> terms_;
};

}  // namespace manta::tune::detail
