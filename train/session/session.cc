#include "train/session/session.h"

#include <torch/torch.h>

namespace manta::train::detail {

namespace {

constexpr std::size_t kMostReports = 1'000;  // that wait to be taken

}  // namespace

Session::Session(WorkerSetup setup) : setup_(std::move(setup)) {
  if (!setup_.resume_from.empty()) checkpoint_.emplace(setup_.resume_from);
  if (setup_.rank == 0) store_.emplace(setup_.folder, setup_.checkpoints);
}

void Session::join() {
  process_group_ = collective::make_process_group(
      {.name = setup_.group, .rank = setup_.rank, .size = setup_.world_size, .timeout = setup_.join_timeout});
  process_group_->setTimeout(setup_.collective_timeout);
}

std::vector<torch::Tensor> Session::gather_random_states() {
  std::vector<torch::Tensor> mine{random_state()};
  std::vector<std::vector<torch::Tensor>> all(1);
  for (int rank = 0; rank < setup_.world_size; ++rank) all[0].push_back(torch::empty_like(mine[0]));
  process_group_->allgather(all, mine)->wait();
  return all[0];
}

std::string Session::save(const Metrics& metrics, const State& state, std::vector<torch::Tensor> random_states) {
  const auto step = metrics.find("step");
  CheckpointDetails details{.metrics = metrics, .random_states = std::move(random_states)};
  if (step != metrics.end()) details.step = static_cast<std::int64_t>(step->second);
  return store_->save(state, details).folder().string();
}

void Session::report(const Metrics& metrics, const State* state) {
  std::vector<torch::Tensor> random_states;
  if (state != nullptr) random_states = gather_random_states();
  if (setup_.rank != 0) return;
  SentReport report{metrics, {}};
  if (state != nullptr) {
    await_arrival();
    report.checkpoint = save(metrics, *state, std::move(random_states));  // SESSION-2
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return reports_.size() < kMostReports; });
  reports_.push_back(std::move(report));
  changed_.notify_all();
}

void Session::await_arrival() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ended_ || (reports_.empty() && !on_the_way_); });  // SESSION-3
}

void Session::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

std::vector<SentReport> Session::take() {
  std::unique_lock lock(mutex_);
  on_the_way_ = false;
  changed_.notify_all();
  changed_.wait(lock, [&] { return ended_ || !reports_.empty(); });
  on_the_way_ = true;
  changed_.notify_all();
  return std::exchange(reports_, {});
}

// --- what the public headers declare

Worker::Worker(WorkerSetup setup) : session_(std::make_unique<Session>(std::move(setup))) {}
Worker::~Worker() = default;

Update Worker::take_reports() { return {session_->take(), {}}; }

Update Worker::run_loop(const std::function<void(Context&)>& loop) {
  Update last;
  try {
    session_->join();
    Context context(*session_);
    loop(context);
  } catch (const Error& error) {
    session_->end();
    if (error.code() != ErrorCode::unavailable) throw;
    last.lost_peer = error.message();
  } catch (...) {
    session_->end();
    throw;
  }
  session_->end();
  last.reports = session_->take();  // SESSION-1
  return last;
}

}  // namespace manta::train::detail

namespace manta::train {

int Context::rank() const { return session_.setup().rank; }
int Context::world_size() const { return session_.setup().world_size; }
int Context::restarts() const { return session_.setup().restarts; }

torch::Device Context::device() const {
  return session_.setup().use_gpu ? torch::Device(torch::kCUDA, 0) : torch::Device(torch::kCPU);
}

const c10::intrusive_ptr<c10d::ProcessGroup>& Context::process_group() const { return session_.process_group(); }

const std::optional<Checkpoint>& Context::checkpoint() const { return session_.checkpoint(); }

bool Context::resume(State& state) const {
  if (!checkpoint()) return false;
  checkpoint()->restore(state);
  if (rank() < checkpoint()->world_size()) set_random_state(checkpoint()->random_state(rank()));
  return true;
}

void Context::report(const Metrics& metrics) { session_.report(metrics, nullptr); }
void Context::report(const Metrics& metrics, const State& state) { session_.report(metrics, &state); }

}  // namespace manta::train
