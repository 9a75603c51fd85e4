// Refuses options that make no sense, by name and value.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include <manta/error.h>
#include <manta/report/text.h>

namespace manta::rl::detail {

// Each method throws Error(invalid_argument) where its option is not as it says; NaN never is.
class OptionCheck {
 public:
  // options: "PpoOptions".
  explicit OptionCheck(std::string_view options) : options_(options) {}

  void at_least(std::string_view name, std::int64_t value, std::int64_t least) const {
    if (value < least) refuse(name, std::to_string(value), std::to_string(least) + " or more");
  }
  void positive(std::string_view name, double value) const {
    if (!(value > 0) || std::isinf(value)) refuse(name, report::as_number(value), "a number above 0");
  }
  void not_negative(std::string_view name, double value) const {
    if (!(value >= 0) || std::isinf(value)) refuse(name, report::as_number(value), "0 or more");
  }
  void share(std::string_view name, double value) const {
    if (!(value >= 0 && value <= 1)) refuse(name, report::as_number(value), "a number from 0 to 1");
  }
  void number(std::string_view name, double value) const {
    if (std::isnan(value)) refuse(name, "NaN", "a number");
  }

 private:
  [[noreturn]] void refuse(std::string_view name, const std::string& value, const std::string& wanted) const {
    throw Error(ErrorCode::invalid_argument,
                std::string(options_) + "::" + std::string(name) + " is " + value + ". Next: give " + wanted + ".");
  }

  std::string_view options_;
};

}  // namespace manta::rl::detail
