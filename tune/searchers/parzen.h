// A Parzen estimator of a density over several parameters: a mixture with one kernel for each observation, and one for
// the prior, the whole space. A kernel is a product over the parameters: normal distributions cut to the range, and for
// choices one with more weight on the observed one. Widths and weights are those of Optuna's TPESampler (Watanabe,
// arXiv 2304.11127, section 3.3).
//
// Threading: one thread. Ownership: dimensions and memory outlive it; it copies what else it is given.
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

  // What is costly of a kernel of a number, so that the next estimator need not find it again.
  struct Known {
    double narrow = -1;
    double height = 0;  // narrow * range / mass in the range
  };
  // What an estimator leaves for the next over the same dimensions.
  struct Memory {
    std::vector<std::vector<Known>> known;      // by dimension, by trial, whose value is the same each time
    std::vector<double> centre, narrow, terms;  // space, so that it need not be allocated anew
  };

  // What was observed of some trials, older ones first.
  struct Observations {
    std::vector<std::vector<double>> values;  // by dimension, by trial
    std::vector<Order> orders;                // by dimension: places in `values`, by value; none: not known
    std::vector<std::uint32_t> trials;        // their numbers, where there is a Memory
  };

  // memory: as it is, or as an estimator has left it that is no more; `known` has space for all trials. May be null.
  Parzen(std::span<const Dimension> dimensions, const Observations& observed, Memory* memory = nullptr);
  ~Parzen();
  Parzen(const Parzen&) = delete;
  Parzen& operator=(const Parzen&) = delete;

  // A point: numbers of the range, or choices, each as the scale has it.
  void sample(Draws& draws, std::span<double> point) const;
  // Of each of the points, one after the other in `points`.
  std::vector<double> log_densities(std::span<const double> points);

 private:
  struct Choices {
    std::vector<std::size_t> observed;
    double base = 0, more = 0;  // probability of a choice that was not observed, and of the one that was
    double prior = 0;           // of each, by the prior's kernel
  };

  void set_weights();
  void exchange_space();
  void add_numbers(std::size_t d, const Observations& observed);
  void add_choices(std::size_t d, std::span<const double> observations);
  void add_logs_of_heights();
  double floor_of(std::span<const double> point) const;
  void add_densities(std::span<const double> points, std::vector<double>& densities);
  // Adds to terms[p * padded + k] the logarithm of kernel k at each point p.
  void add_terms_of_choices(std::size_t d, std::span<const double> points, std::span<double> terms) const;
  void add_terms_of_integers(std::size_t d, std::span<const double> points, std::span<double> terms) const;

  std::span<const Dimension> dimensions_;
  Memory* memory_;
  std::size_t kernels_, padded_;
  std::vector<double> cumulative_;  // weights of the kernels, added up
  std::vector<double> constant_;    // of each kernel's logarithm, whatever the point; -infinity where it is padding
  std::vector<std::size_t> row_;    // of a dimension of numbers, in centre_ and narrow_: reals first
  std::size_t reals_ = 0;           // rows of those
  std::vector<double> centre_;      // by row, by kernel
  std::vector<double> narrow_;      // 1 / width; of reals 1 / (width * sqrt(2))
  double of_ranges_ = 0;            // of each kernel's logarithm, by the ranges
  std::vector<double> heights_;     // products of those of the dimensions so far
  std::vector<double> terms_;
  std::vector<Choices> choices_;                  // by dimension
  std::vector<std::vector<std::uint32_t>> like_;  // of a dimension of integers: the first kernel that is the same
};

}  // namespace manta::tune::detail
