// What a parameter of a trial may be, and what it is.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace manta::tune {

/// A value as choice() and grid() offer it, and as files show it.
using Value = std::variant<bool, std::int64_t, double, std::string>;

/// "true", "3", "0.01", "rbf"
std::string to_string(const Value& value);

/// Where a parameter's values come from. Inside, each value is a number (Optuna's internal representation, which its
/// journal stores): a real or an integer as itself, a choice as its index.
///
/// **Threading**: immutable. **Ownership**: copies share the choices.
struct Distribution {
  enum class Kind : std::uint8_t { real, integer, categorical };

  Kind kind = Kind::real;
  bool log = false;   ///< of real and integer: drawn evenly over the logarithm
  bool grid = false;  ///< of categorical: every value in turn, instead of one by chance
  double low = 0;     ///< of real and integer, both ends included; integers are exact up to 2^53
  double high = 0;
  std::shared_ptr<const std::vector<Value>> choices;  ///< of categorical

  /// Whether the number stands for a value of this distribution.
  bool contains(double number) const;
  Value value_of(double number) const;
  friend bool operator==(const Distribution& a, const Distribution& b);
};

/// A parameter of a trial and its value.
struct Param {
  std::string name;
  Distribution distribution;
  double number = 0;  ///< see Distribution

  Value value() const { return distribution.value_of(number); }
};

}  // namespace manta::tune
