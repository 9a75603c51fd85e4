#include "tune/tuner/summary.h"

#include <array>
#include <cstdio>
#include <variant>

#include "tune/tuner/study.h"

namespace manta::tune {

namespace detail {

namespace {

std::string number_text(double value, const char* pattern) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), pattern, value);
  return text.data();
}

std::string param_text(const Value& value) {
  if (const auto* number = std::get_if<double>(&value)) return number_text(*number, "%.4g");
  return to_string(value);
}

}  // namespace

std::string value_text(double value) { return number_text(value, "%.6g"); }

std::string params_text(const TrialRecord& trial, std::size_t width) {
  std::string text;
  for (const Param& param : trial.params) {
    if (width > 3 && text.size() > width) break;
    text += (text.empty() ? "" : " ") + param.name + "=" + param_text(param.value());
  }
  if (width > 3 && text.size() > width) text = text.substr(0, width - 3) + "...";
  return text;
}

std::string duration_text(double seconds) {
  if (seconds < 100) return number_text(seconds, "%.1f s");
  const auto whole = static_cast<long>(seconds + 0.5);
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
}

std::string counts_text(const Study& study) {
  const Counts counts = study.counts();
  const auto total = study.total();
  std::string text = std::to_string(counts.ended());
  if (total) text += " of " + std::to_string(*total);
  text += total.value_or(counts.ended()) == 1 ? " trial" : " trials";
  std::string parts;
  const auto add = [&parts](std::int64_t count, const char* what) {
    if (count > 0) parts += (parts.empty() ? "" : ", ") + std::to_string(count) + " " + what;
  };
  add(counts.complete, "complete");
  add(counts.stopped, "stopped");
  add(counts.failed, "failed");
  add(counts.running, "running");
  return parts.empty() ? text : text + ": " + parts;
}

std::string best_text(const Study& study) {
  const TrialRecord* best = study.best();
  if (best == nullptr) return {};
  const std::string params = params_text(*best);
  return "best: " + study.config().metric + " " + value_text(*best->value) + ", trial " + std::to_string(best->number) +
         (params.empty() ? "" : ": " + params);
}

std::string summary_of(const Study& study, std::size_t front, bool interrupted, const std::string& why_ended,
                       double seconds) {
  std::string text =
      "study " + study.folder().name() + ": " + counts_text(study) + "; " + duration_text(seconds) + "\n";
  const std::string best = best_text(study);
  if (!best.empty()) text += best + "\n";
  if (study.objectives().size() > 1)
    text += "pareto front: " + std::to_string(front) + (front == 1 ? " trial" : " trials") + "\n";
  text += "files: " + study.folder().path().string() + "\n";
  if (!why_ended.empty()) text += "ended: " + why_ended + "; RunConfig::resume goes on with other limits\n";
  if (interrupted) text += "interrupted: run it again with RunConfig::resume to go on; trials that ran begin anew\n";
  return text;
}

void throw_no_best(const Outcome& outcome) {
  throw Error(ErrorCode::not_found, "the study in " + outcome.folder.string() + " has no best trial: " +
                                        outcome.why_none + " Next: see Results::trials() for what became of each.");
}

}  // namespace detail

}  // namespace manta::tune
