#include "train/group/worker_group.h"

#include <algorithm>
#include <sstream>

#include <manta/detail/actor_status.h>
#include <manta/get.h>
#include <manta/wait.h>

namespace manta::train::detail {

namespace {

// The node and the group's other members notice a death at about the same time; the first worker that reports it need
// not be the one that died.
constexpr std::chrono::milliseconds kForTheCause{500};

constexpr std::chrono::milliseconds kStopPoll{100};  // how often a signal is checked for

ActorOptions options_for(const ScalingConfig& scaling, const Bundle& bundle) {
  return {.num_cpus = scaling.cpus_per_worker,
          .num_gpus = scaling.use_gpu ? 1.0 : 0.0,
          .max_concurrency = 3,  // the loop, the trainer's request for reports, its request to stop
          .name = {},
          .bundle = bundle};
}

std::string amount_text(const ScalingConfig& scaling) {
  std::ostringstream text;
  text << scaling.num_workers << (scaling.num_workers == 1 ? " worker" : " workers") << " with "
       << scaling.cpus_per_worker << (scaling.cpus_per_worker == 1 ? " CPU" : " CPUs");
  if (scaling.use_gpu) text << " and a GPU";
  if (scaling.num_workers > 1) text << " each";
  return text.str();
}

bool process_gone(const Error& error) {
  return error.code() == ErrorCode::actor_died || error.code() == ErrorCode::worker_died ||
         error.code() == ErrorCode::unavailable;
}

}  // namespace

Reservation::Reservation(const ScalingConfig& scaling) : what_(amount_text(scaling)) {
  if (scaling.cpus_per_worker == 0 && !scaling.use_gpu) return;
  const BundleOptions each{.num_cpus = scaling.cpus_per_worker, .num_gpus = scaling.use_gpu ? 1.0 : 0.0};
  const std::vector<BundleOptions> bundles(static_cast<std::size_t>(scaling.num_workers), each);
  try {
    group_.emplace(bundles, GroupStrategy::strict_pack);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument) throw;
    throw Error(ErrorCode::invalid_argument,
                "Trainer: no host has room for " + what_ + ", even when it is idle: " + error.message() +
                    " Next: ask for fewer workers, or a smaller ScalingConfig::cpus_per_worker.");
  }
}

bool Reservation::await(const std::function<bool()>& interrupted) const {
  if (!group_) return true;
  // If it waits, the core says which resource is lacking, and which processes hold it.
  std::vector<Ref<void>> ready{group_->ready()};
  manta::detail::set_label(ready.front().entry(), "training on " + what_);
  while (manta::wait(ready, {.count = 1, .timeout = kStopPoll}) == 0) {
    if (interrupted()) return false;
  }
  manta::get(ready.front());
  return true;
}

Bundle Reservation::bundle(int rank) const {
  return group_ ? group_->bundle(static_cast<std::size_t>(rank)) : Bundle();
}

WorkerGroup::WorkerGroup(const ScalingConfig& scaling, const Reservation& reservation, WorkerSetup setup,
                         const StartWorker& start) {
  setup.world_size = scaling.num_workers;
  for (setup.rank = 0; setup.rank < scaling.num_workers; ++setup.rank) {
    workers_.push_back(start(setup, options_for(scaling, reservation.bundle(setup.rank))));
  }
  reports_ = workers_.front().take_reports();
}

WorkerGroup::~WorkerGroup() {
  if (ended_well_) return;  // GROUP-2
  for (const StartedWorker& worker : workers_) worker.kill();
  for (const StartedWorker& worker : workers_) (void)try_get(worker.run);  // GROUP-1
}

std::optional<LostWorker> WorkerGroup::follow(const OnReport& on_report, const std::function<bool()>& stop) {
  std::vector<Ref<Update>> awaited{reports_};
  for (const StartedWorker& worker : workers_) awaited.push_back(worker.run);
  while (!awaited.empty()) {
    const std::size_t ended = manta::wait(awaited, {.count = 1, .timeout = kStopPoll});
    if (!stop_requested_ && stop()) {
      stop_requested_ = true;
      workers_.front().request_stop();  // its loop notifies the others, so that all end at the same step
    }
    if (ended == 0) continue;
    const Ref<Update> ready = awaited.front();
    awaited.erase(awaited.begin());
    if (ready == reports_) {
      if (auto update = try_get(ready)) {  // else the process died, which the loop's result will say
        hand_on(std::move(*update), on_report);
        reports_ = workers_.front().take_reports();
        awaited.push_back(reports_);
      }
      continue;
    }
    const auto worker =
        std::find_if(workers_.begin(), workers_.end(), [&](const auto& each) { return each.run == ready; });
    const int rank = static_cast<int>(worker - workers_.begin());
    if (rank == 0) std::erase(awaited, reports_);
    if (auto lost = look_at(rank, on_report)) return lost->died ? lost : cause_of(std::move(*lost));
  }
  ended_well_ = true;
  return std::nullopt;
}

void WorkerGroup::hand_on(Update update, const OnReport& on_report) {
  for (SentReport& report : update.reports) on_report(report);
}

// The reports under way when rank 0's loop ended. If the loop threw, also those that the trainer had not requested yet:
// the actor is still alive (SESSION-1).
void WorkerGroup::take_last_reports(bool threw, const OnReport& on_report) {
  auto update = try_get(reports_);
  if (update) hand_on(std::move(*update), on_report);
  if (!update || !threw) return;
  if (auto rest = try_get(workers_.front().take_reports())) hand_on(std::move(*rest), on_report);
}

std::optional<LostWorker> WorkerGroup::look_at(int rank, const OnReport& on_report) {
  auto ended = try_get(workers_[static_cast<std::size_t>(rank)].run);
  if (rank == 0) take_last_reports(!ended, on_report);
  if (!ended) {
    if (process_gone(ended.error())) return LostWorker{rank, true, ended.error().message()};
    throw_error(ended.error());
  }
  if (rank == 0) hand_on(*ended, on_report);
  stopped_ = stopped_ || ended->stopped;
  if (!ended->lost_peer.empty()) return LostWorker{rank, false, ended->lost_peer};
  return std::nullopt;
}

LostWorker WorkerGroup::cause_of(LostWorker first) {
  const auto until = std::chrono::steady_clock::now() + kForTheCause;
  std::optional<int> returned;
  for (std::size_t rank = 0; rank < workers_.size(); ++rank) {
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(until - std::chrono::steady_clock::now());
    const auto ended = try_get(workers_[rank].run, std::max(left, std::chrono::nanoseconds::zero()));
    if (!ended && process_gone(ended.error())) return {static_cast<int>(rank), true, ended.error().message()};
    if (!ended && ended.error().code() == ErrorCode::task_failed) throw_error(ended.error());
    if (ended && ended->lost_peer.empty()) returned = static_cast<int>(rank);
  }
  if (returned) refuse_unequal_loops(first, *returned);
  return first;
}

void WorkerGroup::refuse_unequal_loops(const LostWorker& first, int returned) const {
  throw Error(ErrorCode::invalid_argument,
              "Trainer: the loop of rank " + std::to_string(returned) +
                  " returned while "
                  "that of rank " +
                  std::to_string(first.rank) + " was in a collective operation: " + first.reason +
                  ". Next: give all ranks equally many steps, as DistributedSampler does, or run them in "
                  "DistributedDataParallel::join.");
}

}  // namespace manta::train::detail
