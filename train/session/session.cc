#include "train/session/session.h"

#include <cmath>
#include <cstdio>

#include <torch/torch.h>

#include <manta/error.h>

namespace manta::train::detail {

namespace {

constexpr std::size_t kMostReports = 1'000;  // that wait for the trainer

std::int64_t step_of(const Metrics& metrics) {
  const auto step = metrics.find("step");
  if (step == metrics.end()) return 0;
  if (std::isfinite(step->second) && std::abs(step->second) < 9e15) return static_cast<std::int64_t>(step->second);
  throw Error(ErrorCode::invalid_argument,
              "Context::report: the metric \"step\" is " + std::to_string(step->second) +
                  ". Next: give the number of the step; other metrics may be NaN or infinite.");
}

std::vector<torch::Tensor> gather(c10d::ProcessGroup& group, const torch::Tensor& tensor) {
  std::vector<torch::Tensor> mine{tensor};
  std::vector<std::vector<torch::Tensor>> all(1);
  for (int rank = 0; rank < group.getSize(); ++rank) all[0].push_back(torch::empty_like(tensor));
  group.allgather(all, mine)->wait();
  return all[0];
}

// Each rank's buffers if they differ between ranks; else nothing.
std::vector<RankBuffers> gather_buffers(c10d::ProcessGroup& group, const State& state) {
  std::vector<RankBuffers> all(static_cast<std::size_t>(group.getSize()));
  bool differ = false;
  for (const auto& [name, part] : state.parts()) {
    const auto* module = std::get_if<torch::nn::Module*>(&part);
    if (module == nullptr) continue;
    for (const auto& buffer : (*module)->named_buffers()) {
      if (!buffer.value().defined()) continue;
      const std::vector<torch::Tensor> each = gather(group, buffer.value().detach().cpu().contiguous());
      for (std::size_t rank = 0; rank < each.size(); ++rank) {
        differ = differ || !each[rank].equal(each[0]);
        all[rank][name + "." + buffer.key()] = each[rank];
      }
    }
  }
  return differ ? all : std::vector<RankBuffers>();
}

void restore_buffers(State& state, const RankBuffers& saved) {
  const torch::NoGradGuard no_grad;
  for (const auto& [name, part] : state.parts()) {
    const auto* module = std::get_if<torch::nn::Module*>(&part);
    if (module == nullptr) continue;
    for (const auto& buffer : (*module)->named_buffers()) {
      const auto at = saved.find(name + "." + buffer.key());
      if (at != saved.end()) buffer.value().copy_(at->second);
    }
  }
}

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

void Session::leave() noexcept {
  if (!process_group_) return;
  try {
    for (const c10::Device device : process_group_->getDeviceTypes()) {
      if (!device.is_cpu()) process_group_->getBackend(device.type())->shutdown();  // does not wait for the GPU
    }
    collective::finish(*process_group_);
    process_group_->getBackend(c10::DeviceType::CPU)->shutdown();
  } catch (const std::exception& error) {  // the loop's result counts, not what it left unfinished
    std::fprintf(stderr, "manta: rank %d leaves its group: %s\n", setup_.rank, error.what());
  }
}

bool Session::should_stop() {
  std::vector<torch::Tensor> any{torch::full({1}, stop_requested_.load() ? 1 : 0, torch::kByte)};
  c10d::AllreduceOptions options;
  options.reduceOp = c10d::ReduceOp::MAX;
  process_group_->allreduce(any, options)->wait();
  return any[0].item<int>() != 0;
}

void Session::report(const Metrics& metrics, const State* state) {
  const std::int64_t step = step_of(metrics);
  SentReport report{metrics, {}};
  bool stops = false;
  if (state != nullptr) {
    CheckpointDetails details{.metrics = metrics, .step = step};
    details.random_states = gather(*process_group_, random_state());
    details.rank_buffers = gather_buffers(*process_group_, *state);
    stops = should_stop();
    if (setup_.rank == 0) {
      await_arrival();
      report.checkpoint = save(std::move(details), *state);  // SESSION-2
    }
  }
  if (setup_.rank == 0) {
    const manta::detail::MutexLock lock(mutex_);
    while (reports_.size() >= kMostReports) changed_.wait(mutex_);
    reports_.push_back(std::move(report));
    changed_.notify_all();
  }
  if (stops) throw Stopped();
}

std::string Session::save(CheckpointDetails details, const State& state) {
  return store_->save(state, details).folder().string();
}

void Session::await_arrival() {
  const manta::detail::MutexLock lock(mutex_);
  while (!ended_ && (!reports_.empty() || on_the_way_)) changed_.wait(mutex_);  // SESSION-3
}

void Session::end() {
  const manta::detail::MutexLock lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

std::vector<SentReport> Session::take() {
  const manta::detail::MutexLock lock(mutex_);
  on_the_way_ = false;
  changed_.notify_all();
  while (!ended_ && reports_.empty()) changed_.wait(mutex_);
  on_the_way_ = true;
  changed_.notify_all();
  return std::exchange(reports_, {});
}

// --- the classes of the public headers

Worker::Worker(WorkerSetup setup) : session_(std::make_unique<Session>(std::move(setup))) {}
Worker::~Worker() = default;

Update Worker::take_reports() { return {session_->take(), {}}; }

void Worker::request_stop() { session_->request_stop(); }

Update Worker::run_loop(const std::function<void(Context&)>& loop) {
  Update last;
  try {
    session_->join();
    Context context(*session_);
    loop(context);
    session_->leave();
  } catch (const Stopped&) {
    last.stopped = true;
    session_->leave();
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
  detail::restore_buffers(state, checkpoint()->rank_buffers(rank()));
  return true;
}

void Context::stop() { session_.request_stop(); }
bool Context::should_stop() { return session_.should_stop(); }

void Context::report(const Metrics& metrics) { session_.report(metrics, nullptr); }
void Context::report(const Metrics& metrics, const State& state) { session_.report(metrics, &state); }

}  // namespace manta::train
