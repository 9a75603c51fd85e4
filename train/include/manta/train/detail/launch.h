// Turns a training loop into an actor. Internal: everything here may change.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <manta/actor.h>
#include <manta/detail/actor_status.h>
#include <manta/detail/label.h>
#include <manta/train/checkpoint_store.h>
#include <manta/train/context.h>

namespace manta::train {
struct ScalingConfig;
struct RunConfig;
struct TrainingResult;
}  // namespace manta::train

namespace manta::train::detail {

// A worker's settings.
struct WorkerSetup {
  std::string group;  // the name by which its members find each other
  std::int32_t rank = 0;
  std::int32_t world_size = 1;
  std::int32_t restarts = 0;
  bool use_gpu = false;
  std::chrono::milliseconds join_timeout{};
  std::chrono::milliseconds collective_timeout{};
  std::string folder;  // the run's, with its checkpoints
  CheckpointConfig checkpoints;
  std::string resume_from;  // a checkpoint's folder; empty: from the start
};

struct SentReport {
  Metrics metrics;
  std::string checkpoint;  // folder; empty: none
};

// A worker's answer to the trainer: everything since the previous one.
struct Update {
  std::vector<SentReport> reports;
  std::string lost_peer;  // the loop ended because another worker was lost: the error's message
  bool stopped = false;   // the loop ended early on request
};

// The part of a worker that does not depend on the loop.
class Worker {
 public:
  explicit Worker(WorkerSetup setup);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Blocks until there are reports or the loop has ended.
  Update take_reports();
  // Ends the loop at its next checkpoint.
  void request_stop();

 protected:
  // Joins the group, runs the loop and leaves the group.
  Update run_loop(const std::function<void(Context&)>& loop);

 private:
  std::unique_ptr<Session> session_;
};

template <auto Loop, class File, class Parameters>
struct LoopWorkerOf {
  static constexpr bool valid = false;
};
template <auto Loop, class File, class... Ps>
struct LoopWorkerOf<Loop, File, manta::detail::Types<Context&, Ps...>> {
  static constexpr bool valid = true;
  class type : public Worker {
   public:
    using Worker::Worker;
    static std::string_view manta_label() { return manta::detail::function_label<Loop, File>(); }
    Update run(Ps... arguments) {
      return run_loop([&](Context& context) { Loop(context, std::forward<Ps>(arguments)...); });
    }
  };
};

template <auto Loop>
struct ParametersOf {
  using type = typename manta::detail::SignatureOf<decltype(Loop)>::Parameters;
};
template <auto Loop>
requires(!manta::detail::SignatureOf<decltype(Loop)>::valid) struct ParametersOf<Loop> {
  using type = void;
};

template <auto Loop, class File>
struct LoopWorkerFor : LoopWorkerOf<Loop, File, typename ParametersOf<Loop>::type> {
  static_assert(LoopWorkerFor::valid,
                "manta: Trainer<loop> takes a function void loop(manta::train::Context&, arguments...)");
};
template <auto Loop, class File>
using LoopWorker = typename LoopWorkerFor<Loop, File>::type;

// A worker as the trainer sees it.
struct StartedWorker {
  Ref<Update> run;  // ready when the loop has ended
  std::function<Ref<Update>()> take_reports;
  std::function<void()> request_stop;
  std::function<void()> kill;
};
using StartWorker = std::function<StartedWorker(const WorkerSetup&, const ActorOptions&)>;

template <class W, class File, class... As>
StartedWorker start_worker(const WorkerSetup& setup, const ActorOptions& options, const As&... arguments) {
  const Actor<W> handle = actor<W, File>.options(options)(setup);
  manta::detail::set_label(handle.entry(), "training worker of rank " + std::to_string(setup.rank));
  return {handle.template call<&W::run, File>(arguments...),
          [handle] { return handle.template call<&Worker::take_reports, File>(); },
          [handle] { (void)handle.template call<&Worker::request_stop, File>(); }, [handle] { manta::kill(handle); }};
}

TrainingResult fit(const ScalingConfig& scaling, const RunConfig& run, const StartWorker& start);

}  // namespace manta::train::detail
