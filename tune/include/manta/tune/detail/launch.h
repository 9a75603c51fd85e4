// How an objective becomes an actor. Not for users: everything here may change.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <manta/actor.h>
#include <manta/detail/actor_status.h>
#include <manta/detail/label.h>
#include <manta/serialize.h>
#include <manta/tune/results.h>
#include <manta/tune/scheduler.h>
#include <manta/tune/space.h>
#include <manta/tune/trial.h>

namespace manta::tune {
struct TunerConfig;
struct RunConfig;
}  // namespace manta::tune

namespace manta::tune::detail {

// A worker's settings.
struct WorkerSetup {
  std::string folder;  // of the study
  std::string metric;
  bool decisions = false;  // whether report() waits for the scheduler
  bool tensorboard = true;
  std::vector<std::string> more_metrics;  // of further objectives
};

// A trial for a worker.
struct Assignment {
  std::int64_t number = 0;
  int attempt = 1;
  bool again = false;  // it was run before, maybe by an earlier program: its files may have reports
  std::vector<std::pair<std::string, Value>> params;
};

struct SentReport {
  std::int64_t trial = 0;
  std::int64_t iteration = 0;
  Metrics metrics;
  bool earlier = false;  // of an attempt that died, from its file: it may have been sent before
};

struct Ended {
  std::int64_t trial = 0;
  TrialStatus status = TrialStatus::complete;
  Metrics metrics;
  std::string error;
  double seconds = 0;
  Metrics constraints;
};

// What a worker has to say at the end of a batch, as far as it was not taken before.
struct BatchResult {
  std::vector<SentReport> reports;  // in order
  std::vector<Ended> ended;
};

// What it has to say meanwhile.
struct Update {
  std::vector<SentReport> reports;     // with decisions: one that waits, behind others that need none
  std::vector<Ended> ended;            // trials of its batch, if it does not wait
  std::vector<std::int64_t> returned;  // places of trials in its batch that it will not run
};

// What it is asked meanwhile.
struct Question {
  bool wait = false;        // for a report, or the worker's end
  bool give_back = false;   // what it has not begun, others can run
  std::int64_t trial = -1;  // whose report is decided
  Decision decision = Decision::go_on;
};

// The part of a worker that does not depend on the objective.
class Worker {
 public:
  explicit Worker(WorkerSetup setup);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Update ask(const Question& question);
  // The tuner will not ask any more: a trial that waits for a decision stops.
  void leave();

 protected:
  // Runs the trials one after the other; objective is called with their place in the batch.
  BatchResult run_batch(std::vector<Assignment> batch, const std::function<Metrics(Trial&, std::size_t)>& objective);
  const WorkerSetup& setup() const;

 private:
  std::unique_ptr<Session> session_;
};

template <class R>
inline constexpr bool is_objective_result = std::is_void_v<R> || std::is_arithmetic_v<R> || std::is_same_v<R, Metrics>;

template <auto Objective, class Config, class File, class Parameters>
struct ObjectiveWorkerOf {
  static constexpr bool valid = false;
};
template <auto Objective, class Config, class File, class... Ps>
struct ObjectiveWorkerOf<Objective, Config, File, manta::detail::Types<Trial&, const Config&, Ps...>> {
  using R = typename manta::detail::SignatureOf<decltype(Objective)>::Result;
  static constexpr bool valid = true;
  static_assert(
      (... && !(std::is_lvalue_reference_v<Ps> && !std::is_const_v<std::remove_reference_t<Ps>>)),
      "manta: Tuner<space, objective>: an argument of objective is a reference to non-const: all trials of a worker "
      "read the same; take it by value or by const reference");
  class type : public Worker {
   public:
    using Worker::Worker;
    static std::string_view manta_label() { return manta::detail::function_label<Objective, File>(); }
    // Before the first batch.
    void prepare(std::remove_cvref_t<Ps>... arguments) { arguments_.emplace(std::move(arguments)...); }
    BatchResult run(std::vector<Assignment> batch, const std::vector<Config>& configs) {
      return run_batch(std::move(batch), [&](Trial& trial, std::size_t at) { return call(trial, configs[at]); });
    }

   private:
    Metrics call(Trial& trial, const Config& config) {
      return std::apply(
          [&](const auto&... each) -> Metrics {
            if constexpr (std::is_void_v<R>) {
              Objective(trial, config, each...);
              return {};
            } else if constexpr (std::is_same_v<R, Metrics>) {
              return Objective(trial, config, each...);
            } else {
              return {{setup().metric, static_cast<double>(Objective(trial, config, each...))}};
            }
          },
          *arguments_);
    }
    std::optional<std::tuple<std::remove_cvref_t<Ps>...>> arguments_;
  };
};

template <auto Objective>
struct ParametersOf {
  using type = typename manta::detail::SignatureOf<decltype(Objective)>::Parameters;
  using Result = typename manta::detail::SignatureOf<decltype(Objective)>::Result;
};
template <auto Objective>
requires(!manta::detail::SignatureOf<decltype(Objective)>::valid) struct ParametersOf<Objective> {
  using type = void;
  using Result = void;
};

template <auto Objective, class Config, class File>
struct ObjectiveWorkerFor : ObjectiveWorkerOf<Objective, Config, File, typename ParametersOf<Objective>::type> {
  static_assert(
      ObjectiveWorkerFor::valid,
      "manta: Tuner<space, objective>: objective is a function R objective(manta::tune::Trial&, const Config&, "
      "arguments...), where Config is what space returns");
  static_assert(is_objective_result<typename ParametersOf<Objective>::Result>,
                "manta: Tuner<space, objective>: objective returns a number, manta::tune::Metrics, or nothing");
};
template <auto Objective, class Config, class File>
using ObjectiveWorker = typename ObjectiveWorkerFor<Objective, Config, File>::type;

template <auto SpaceFunction, class Parameters>
struct SpaceResult {
  static constexpr bool valid = false;
  using type = void;
};
template <auto SpaceFunction>
struct SpaceResult<SpaceFunction, manta::detail::Types<Space&>> {
  using type = std::remove_cvref_t<typename manta::detail::SignatureOf<decltype(SpaceFunction)>::Result>;
  static constexpr bool valid = !std::is_void_v<type>;
};
template <auto SpaceFunction>
struct SpaceResultFor : SpaceResult<SpaceFunction, typename ParametersOf<SpaceFunction>::type> {
  static_assert(SpaceResultFor::valid,
                "manta: Tuner<space, objective>: space is a function Config space(manta::tune::Space&)");
  static_assert(
      !SpaceResultFor::valid || (Serializable<typename SpaceResultFor::type> &&
                                 std::is_default_constructible_v<typename SpaceResultFor::type>),
      "manta: Tuner<space, objective>: the configuration that space returns is sent to workers: it needs a type that "
      "can be serialised, with a default constructor (see manta/serialize.h)");
};
template <auto SpaceFunction>
using ConfigOf = typename SpaceResultFor<SpaceFunction>::type;

// A worker as the tuner sees it.
struct StartedWorker {
  Ref<void> ready;
  std::function<Ref<BatchResult>(const std::vector<Assignment>&)> run;
  std::function<Ref<Update>(const Question&)> ask;
  std::function<void()> leave;
  std::function<void()> kill;
  std::function<void(const std::string&)> set_label;  // what messages call it, before " of OBJECTIVE"
};

// The types of the program, erased.
struct Program {
  std::function<void(Space&, std::int64_t)> configure;  // makes the configuration of the trial with that number
  std::function<StartedWorker(const WorkerSetup&, const ActorOptions&)> start;
};

// `configs` outlives the worker.
template <class W, class Config, class File, class... As>
StartedWorker start_worker(const WorkerSetup& setup, const ActorOptions& options, const std::vector<Config>& configs,
                           const As&... arguments) {
  const Actor<W> handle = actor<W, File>.options(options)(setup);
  StartedWorker worker;
  worker.ready = handle.template call<&W::prepare, File>(arguments...);
  worker.run = [handle, &configs](const std::vector<Assignment>& batch) {
    std::vector<Config> theirs;
    theirs.reserve(batch.size());
    for (const Assignment& each : batch) theirs.push_back(configs[static_cast<std::size_t>(each.number)]);
    return handle.template call<&W::run, File>(batch, theirs);
  };
  worker.ask = [handle](const Question& question) { return handle.template call<&Worker::ask, File>(question); };
  worker.leave = [handle] { (void)handle.template call<&Worker::leave, File>(); };
  worker.kill = [handle] { manta::kill(handle); };
  worker.set_label = [handle](const std::string& label) {
    manta::detail::set_label(handle.entry(), label + " of " + std::string(W::manta_label()));
  };
  return worker;
}

Outcome fit(const TunerConfig& tuner, const RunConfig& run, const Program& program);

}  // namespace manta::tune::detail
