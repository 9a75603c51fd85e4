#include <manta/detail/check_option.h>

#include <cmath>
#include <cstdio>
#include <string>

#include <manta/error.h>

namespace manta::detail {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.15g", value);
  return text;
}

[[noreturn]] void refuse(std::string_view field, double value, const std::string& next) {
  throw Error(ErrorCode::invalid_argument, std::string(field) + " is " + number(value) + ". Next: " + next + ".");
}

}  // namespace

void check_option(std::string_view field, double value, double least, double most) {
  if (std::isfinite(value) && value >= least && value <= most) return;
  refuse(
      field, value,
      most == kNoBound ? "give " + number(least) + " or more" : "give from " + number(least) + " to " + number(most));
}

void check_positive(std::string_view field, double value) {
  if (!std::isfinite(value) || !(value > 0)) refuse(field, value, "give more than 0");
}

}  // namespace manta::detail
