// fit(): the loop that gives trials to workers until all have ended.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>

#include <manta/detail/check_option.h>
#include <manta/report/text.h>
#include <manta/runtime.h>

#include "tune/tuner/crew.h"
#include "tune/tuner/progress.h"
#include "tune/tuner/signals.h"
#include "tune/tuner/study.h"
#include "tune/tuner/summary.h"

namespace manta::tune::detail {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kTick = std::chrono::milliseconds(100);
constexpr std::size_t kShownTrials = 8;

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::invalid_argument, "Tuner: " + what); }

void check(const TunerConfig& tuner, const RunConfig& run) {
  if (tuner.metric.empty()) refuse("TunerConfig::metric is empty. Next: name the metric to be optimised.");
  for (const Objective& each : tuner.objectives) {
    if (each.metric.empty()) refuse("one of TunerConfig::objectives has no metric. Next: name it.");
    const auto same = [&](const Objective& other) { return other.metric == each.metric; };
    if (std::count_if(tuner.objectives.begin(), tuner.objectives.end(), same) > 1)
      refuse("TunerConfig::objectives has '" + each.metric + "' twice. Next: name each metric once.");
  }
  if (tuner.objectives.size() > 1 && (tuner.target || tuner.patience > 0)) {
    refuse("TunerConfig::target and patience are for one objective. Next: give num_samples or time_limit.");
  }
  if (tuner.num_samples < 1) {
    refuse("TunerConfig::num_samples is " + std::to_string(tuner.num_samples) + ". Next: ask for at least one trial.");
  }
  manta::detail::check_option("Tuner: TunerConfig::cpus_per_trial", tuner.cpus_per_trial, 0);
  manta::detail::check_option("Tuner: TunerConfig::gpus_per_trial", tuner.gpus_per_trial, 0);
  if (tuner.max_concurrent_trials < 0) {
    refuse("TunerConfig::max_concurrent_trials is " + std::to_string(tuner.max_concurrent_trials) +
           ". Next: 0 is no bound.");
  }
  if (tuner.time_limit <= std::chrono::nanoseconds::zero())
    refuse("TunerConfig::time_limit is not above 0. Next: leave it out for no limit.");
  if (tuner.patience < 0)
    refuse("TunerConfig::patience is " + std::to_string(tuner.patience) + ". Next: 0 is no limit.");
  if (tuner.target && std::isnan(*tuner.target)) refuse("TunerConfig::target is NaN. Next: give a number.");
  if (run.max_failures < -1)
    refuse("RunConfig::max_failures is " + std::to_string(run.max_failures) + ". Next: -1 is for ever.");
}

// Trials that a node can run at once.
double room_on(const NodeInfo& node, const TunerConfig& tuner) {
  constexpr double kRounding = 1e-9;
  double room = tuner.cpus_per_trial > 0 ? std::floor(node.num_cpus / tuner.cpus_per_trial + kRounding)
                                         : std::max(1.0, std::floor(node.num_cpus));
  if (tuner.gpus_per_trial >= 1) room = std::min(room, std::floor(node.num_gpus / tuner.gpus_per_trial + kRounding));
  if (tuner.gpus_per_trial > 0 && tuner.gpus_per_trial < 1) {
    room = std::min(room, std::floor(node.num_gpus) * std::floor(1 / tuner.gpus_per_trial + kRounding));
  }
  return room;
}

int crew_size(const TunerConfig& tuner, std::optional<std::int64_t> trials) {
  double room = 0;
  std::string offered;
  for (const NodeInfo& node : cluster_nodes()) {
    room += room_on(node, tuner);
    offered += (offered.empty() ? "" : "; ") + node.host + " offers " + report::as_number(node.num_cpus) +
               " CPUs and " + report::as_number(node.num_gpus) + " GPUs";
  }
  if (room < 1) {
    refuse("a trial needs " + report::as_number(tuner.cpus_per_trial) + " CPUs and " +
           report::as_number(tuner.gpus_per_trial) + " GPUs, which no node has: " + offered +
           ". Next: ask for less in cpus_per_trial or gpus_per_trial.");
  }
  if (tuner.max_concurrent_trials > 0) room = std::min(room, static_cast<double>(tuner.max_concurrent_trials));
  if (trials) room = std::min(room, static_cast<double>(std::max<std::int64_t>(*trials, 1)));
  return static_cast<int>(std::min(room, 4096.0));
}

std::vector<std::string> shown(const Study& study, const Crew& crew, bool table, Clock::time_point start,
                               Clock::time_point now) {
  const std::string elapsed = duration_text(std::chrono::duration<double>(now - start).count());
  std::vector<std::string> lines{"study " + study.folder().name() + ": " + counts_text(study) + "; " + elapsed};
  const std::string best = best_text(study);
  if (!table) {
    if (!best.empty()) lines.front() += "; " + best;
    return lines;
  }
  if (!best.empty()) lines.push_back(best);
  const auto running = crew.running(now);
  for (const Crew::Running& each : running) {
    if (lines.size() == kShownTrials + 2) {
      lines.push_back("  ...");
      break;
    }
    const TrialRecord& trial = study.trial(each.trial);
    std::string line = "  trial " + std::to_string(each.trial) + "  " + duration_text(each.seconds);
    if (!trial.reports.empty()) {
      line += "  iteration " + std::to_string(trial.reports.back().iteration) + "  " + study.config().metric + " " +
              value_text(trial.reports.back().value);
    }
    lines.push_back(line + "  " + params_text(trial));
  }
  return lines;
}

}  // namespace

Outcome fit(const TunerConfig& tuner, const RunConfig& run, const Program& program) {
  check(tuner, run);
  const Clock::time_point start = Clock::now();
  Study study(tuner, run, program);
  const Waker waker;
  const Signals signals(waker.descriptor());
  Progress progress(stdout, run.verbose, start);
  bool interrupted = false;
  std::string why_ended = study.exhausted() ? std::string() : study.why_enough({});
  if (!study.exhausted() && why_ended.empty()) {
    const ActorOptions options{.num_cpus = tuner.cpus_per_trial, .num_gpus = tuner.gpus_per_trial, .name = {}};
    WorkerSetup setup{study.folder().path().string(), study.config().metric, study.decides(), run.tensorboard, {}};
    for (std::size_t i = 1; i < study.objectives().size(); ++i)
      setup.more_metrics.push_back(study.objectives()[i].metric);
    Crew crew(study, program, options, crew_size(tuner, study.total()), setup, waker);
    Clock::time_point next_tick = start + kTick;
    while (!study.exhausted() || crew.busy()) {
      const bool news = crew.turn();
      study.flush_journal();
      interrupted = signals.received() != 0;
      if (interrupted || (run.fail_fast && study.counts().failed > 0)) break;
      const Clock::time_point now = Clock::now();
      why_ended = study.why_enough(now - start);
      if (!why_ended.empty()) break;
      if (now >= next_tick) {
        next_tick = now + kTick;
        study.flush_tables();
        crew.tick(now);
        if (progress.due(now)) progress.show(shown(study, crew, progress.terminal(), start, now), now);
      } else if (!news) {
        crew.sleep(std::chrono::ceil<std::chrono::milliseconds>(next_tick - now));
      }
    }
    crew.kill();
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  Outcome outcome = study.finish(interrupted, std::move(why_ended), seconds);
  progress.finish(outcome.summary);
  return outcome;
}

}  // namespace manta::tune::detail
