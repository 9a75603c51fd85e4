#include <manta/tune/distribution.h>

#include <cmath>

#include <manta/report/text.h>
#include <manta/tune/trial_record.h>

namespace manta::tune {

std::string to_string(const Value& value) {
  struct Text {
    std::string operator()(bool held) const { return held ? "true" : "false"; }
    std::string operator()(std::int64_t held) const { return std::to_string(held); }
    std::string operator()(double held) const { return report::as_number(held); }
    std::string operator()(const std::string& held) const { return held; }
  };
  return std::visit(Text{}, value);
}

std::string_view to_string(TrialStatus status) {
  switch (status) {
    case TrialStatus::running:
      return "running";
    case TrialStatus::complete:
      return "complete";
    case TrialStatus::stopped:
      return "stopped";
    case TrialStatus::failed:
      return "failed";
  }
  return "unknown";
}

bool Distribution::contains(double number) const {
  if (kind == Kind::real) return number >= low && number <= high;
  if (std::trunc(number) != number) return false;
  return kind == Kind::integer ? number >= low && number <= high
                               : number >= 0 && number < static_cast<double>(choices->size());
}

Value Distribution::value_of(double number) const {
  switch (kind) {
    case Kind::real:
      return number;
    case Kind::integer:
      return static_cast<std::int64_t>(number);
    case Kind::categorical:
      break;
  }
  return (*choices)[static_cast<std::size_t>(number)];
}

bool operator==(const Distribution& a, const Distribution& b) {
  if (a.kind != b.kind || a.log != b.log || a.grid != b.grid || a.low != b.low || a.high != b.high) return false;
  return a.choices == b.choices || (a.choices && b.choices && *a.choices == *b.choices);
}

}  // namespace manta::tune
