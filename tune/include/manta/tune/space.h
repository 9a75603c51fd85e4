// The space of a study's configurations: a function that asks for one value after the other.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <manta/tune/distribution.h>

namespace manta::tune {

/// Values of some parameters, by name: what a trial is to try.
using Params = std::map<std::string, Value>;

namespace detail {

/// Gives a space function the values that it asks for, for one trial.
class Draw {
 public:
  virtual ~Draw() = default;
  virtual Value draw(std::string_view name, Distribution distribution) = 0;
};

/// The type in which a choice is returned: text as std::string.
template <class T>
using ChoiceOf = std::conditional_t<std::is_convertible_v<T, std::string_view>, std::string, T>;

template <class T>
Value to_value(const T& given) {
  static_assert(std::is_arithmetic_v<T> || std::is_convertible_v<T, std::string>,
                "manta: choice and grid take numbers, bool and text; for other types choose an index or a name");
  if constexpr (std::is_same_v<T, bool>) {
    return given;
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<std::int64_t>(given);
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<double>(given);
  } else {
    return std::string(given);
  }
}

template <class T>
T from_value(const Value& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    const auto* text = std::get_if<std::string>(&value);
    return text != nullptr ? *text : to_string(value);
  } else {
    return std::visit(
        [](const auto& held) -> T {
          if constexpr (std::is_arithmetic_v<std::remove_cvref_t<decltype(held)>>) {
            return static_cast<T>(held);
          } else {
            return T{};  // a stored study had text here: the trial has ended, its configuration is only shown
          }
        },
        value);
  }
}

}  // namespace detail

/// Given to the space function, which Tuner calls once for each trial, in its own process. The function asks for values
/// and puts them where it wants them; what it asks for may depend on what it got, so that parameters are conditional.
/// It must depend on nothing else: when a study is resumed it is called again, and gets the values that its trials had.
///
/// Names are for people, files and searchers. To ask again for the same name gives the same value.
///
/// **Threading**: one thread. **Errors**: all throw Error(invalid_argument), which names the parameter: an empty range,
/// no choice, a name that stood for something else before in the same trial.
///
///     Config space(tune::Space& space) {
///       Config config;
///       config.rate = space.log_uniform("rate", 1e-5, 1e-1);
///       config.kernel = space.choice("kernel", {"rbf", "linear"});
///       if (config.kernel == "rbf") config.gamma = space.grid("gamma", {0.01, 0.1, 1.0});
///       return config;
///     }
class Space {
 public:
  /// For the tuner.
  explicit Space(detail::Draw& draw) : draw_(draw) {}

  double uniform(std::string_view name, double low, double high);
  /// Evenly over the logarithm; low is above 0.
  double log_uniform(std::string_view name, double low, double high);
  /// Both ends included.
  template <std::integral T>
  T integer(std::string_view name, T low, T high) {
    return static_cast<T>(whole(name, static_cast<double>(low), static_cast<double>(high), false));
  }
  template <std::integral T>
  T log_integer(std::string_view name, T low, T high) {
    return static_cast<T>(whole(name, static_cast<double>(low), static_cast<double>(high), true));
  }
  /// One of several numbers or texts.
  template <class T>
  detail::ChoiceOf<T> choice(std::string_view name, std::initializer_list<T> choices) {
    return one_of<T>(name, choices, false);
  }
  template <class T>
  detail::ChoiceOf<T> choice(std::string_view name, const std::vector<T>& choices) {
    return one_of<T>(name, choices, false);
  }
  /// Every one of them: a study tries all combinations of its grids, TunerConfig::num_samples times; other parameters
  /// are drawn anew for each. A grid may depend on grids before it, so that some combinations do not exist.
  template <class T>
  detail::ChoiceOf<T> grid(std::string_view name, std::initializer_list<T> values) {
    return one_of<T>(name, values, true);
  }
  template <class T>
  detail::ChoiceOf<T> grid(std::string_view name, const std::vector<T>& values) {
    return one_of<T>(name, values, true);
  }

 private:
  std::int64_t whole(std::string_view name, double low, double high, bool log);
  Value choose(std::string_view name, std::vector<Value> choices, bool grid);

  template <class T, class List>
  detail::ChoiceOf<T> one_of(std::string_view name, const List& list, bool grid) {
    std::vector<Value> choices;
    choices.reserve(list.size());
    for (const T& each : list) choices.push_back(detail::to_value<T>(each));
    return detail::from_value<detail::ChoiceOf<T>>(choose(name, std::move(choices), grid));
  }

  detail::Draw& draw_;
};

}  // namespace manta::tune
