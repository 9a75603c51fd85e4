// Ranges of parameters as the searchers see them: even, and wide enough that every integer has its share.
#pragma once

#include <algorithm>
#include <cmath>

#include <manta/tune/distribution.h>

namespace manta::tune::detail {

// Of a real or an integer. On the scale a logarithmic range is even; an integer n is what lies within n +- 0.5.
class Scale {
 public:
  explicit Scale(const Distribution& of)
      : low_(of.low),
        high_(of.high),
        log_(of.log),
        whole_(of.kind == Distribution::Kind::integer),
        unit_(std::isfinite(of.high - of.low) ? 1 : 0.25) {
    const double half = whole_ ? 0.5 : 0;
    begin_ = to(low_ - half);
    end_ = to(high_ + half);
  }

  double begin() const { return begin_; }
  double end() const { return end_; }
  double width() const { return end_ - begin_; }
  bool whole() const { return whole_; }
  double to(double number) const { return log_ ? std::log(number) : number * unit_; }
  // The nearest number of the range.
  double from(double at) const {
    const double number = log_ ? std::exp(at) : at / unit_;
    return std::clamp(whole_ ? std::round(number) : number, low_, high_);
  }
  // Of a share of the range, in [0, 1], and back.
  double number_at(double share) const { return from(begin_ + share * width()); }
  double share_of(double number) const { return width() > 0 ? (to(number) - begin_) / width() : 0.5; }

 private:
  double low_, high_;
  bool log_, whole_;
  double unit_;  // so that the width of every range is a number
  double begin_ = 0, end_ = 0;
};

}  // namespace manta::tune::detail
