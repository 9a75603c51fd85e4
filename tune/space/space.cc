#include <manta/tune/space.h>

#include <cmath>
#include <memory>

#include <manta/error.h>
#include <manta/report/text.h>

namespace manta::tune {

namespace {

constexpr double kMostWhole = 9007199254740992;  // 2^53: above, doubles leave integers out

[[noreturn]] void refuse(std::string_view name, const std::string& what) {
  throw Error(ErrorCode::invalid_argument, "Space: parameter '" + std::string(name) + "': " + what);
}

Distribution range(std::string_view name, Distribution::Kind kind, double low, double high, bool log) {
  const std::string text = "[" + report::as_number(low) + ", " + report::as_number(high) + "]";
  if (!std::isfinite(low) || !std::isfinite(high) || low > high) {
    refuse(name, "the range " + text + " is empty. Next: give two finite numbers, the lower one first.");
  }
  const double least = kind == Distribution::Kind::integer ? 1 : 0;
  if (log && (low < least || low <= 0)) {
    refuse(name, "the range " + text + " has no logarithm everywhere. Next: let it begin above 0.");
  }
  if (kind == Distribution::Kind::integer && (low < -kMostWhole || high > kMostWhole)) {
    refuse(name, "the range " + text + " goes beyond 2^53. Next: draw its logarithm, or a part of it.");
  }
  return {.kind = kind, .log = log, .low = low, .high = high, .choices = nullptr};
}

}  // namespace

double Space::uniform(std::string_view name, double low, double high) {
  return detail::from_value<double>(draw_.draw(name, range(name, Distribution::Kind::real, low, high, false)));
}

double Space::log_uniform(std::string_view name, double low, double high) {
  return detail::from_value<double>(draw_.draw(name, range(name, Distribution::Kind::real, low, high, true)));
}

std::int64_t Space::whole(std::string_view name, double low, double high, bool log) {
  return detail::from_value<std::int64_t>(draw_.draw(name, range(name, Distribution::Kind::integer, low, high, log)));
}

Value Space::choose(std::string_view name, std::vector<Value> choices, bool grid) {
  if (choices.empty()) refuse(name, "there is nothing to choose from. Next: give at least one value.");
  for (const Value& choice : choices) {
    const auto* number = std::get_if<double>(&choice);
    if (number != nullptr && !std::isfinite(*number)) refuse(name, "a choice is not finite. Next: name it as text.");
  }
  Distribution distribution{.kind = Distribution::Kind::categorical, .grid = grid, .choices = nullptr};
  distribution.choices = std::make_shared<const std::vector<Value>>(std::move(choices));
  return draw_.draw(name, std::move(distribution));
}

}  // namespace manta::tune
