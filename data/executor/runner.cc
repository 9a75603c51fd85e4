#include "data/executor/runner.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>
#include <thread>

#include <manta/cancel.h>
#include <manta/error.h>
#include <manta/get.h>
#include <manta/remote.h>
#include <manta/runtime.h>

#include "data/engine/engine.h"

namespace manta::data::executor {

namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kLargestBlock = 32 * kMiB;
constexpr std::int64_t kSmallestBlock = kMiB / 4;
constexpr std::int64_t kLeastEngine = 32 * kMiB;      // of a worker, with one thread
constexpr std::int64_t kLeastOwnEngine = 128 * kMiB;  // of the process that has the plan

std::int64_t machine_memory() {
  return static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::int64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

Output value_of(const Piece& piece) {
  if (piece.here) return *piece.here;
  return get(piece.ref);
}

void drop(const Piece& piece) {
  try {
    if (piece.ref && !piece.ref.ready()) cancel(piece.ref);
  } catch (const Error&) {  // Manta has ended, and the task with it
  }
}

Limits Limits::of(const ExecutionOptions& options) {
  Limits limits;
  try {
    limits.num_cpus = 0;
    for (const NodeInfo& node : cluster_nodes()) limits.num_cpus += node.num_cpus;
    limits.tasks = true;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unavailable) throw;
    limits.num_cpus = std::max(1U, std::thread::hardware_concurrency());
  }
  if (options.memory_budget_bytes != -1 && options.memory_budget_bytes < kMiB) {
    throw Error(ErrorCode::invalid_argument, "data: memory_budget_bytes must be at least 1 MiB, or -1, not " +
                                                 std::to_string(options.memory_budget_bytes));
  }
  if (options.max_blocks != -1 && options.max_blocks < 1) {
    throw Error(ErrorCode::invalid_argument,
                "data: max_blocks must be at least 1, or -1, not " + std::to_string(options.max_blocks));
  }
  // The object store has 30 % of the machine's memory unless given.
  limits.budget_bytes = options.memory_budget_bytes != -1 ? options.memory_budget_bytes
                        : limits.tasks                    ? machine_memory() / 10 * 3 / 4
                                                          : machine_memory() / 4;
  // Of the given options alone, not of the machine: a loader's position counts blocks, and is resumed elsewhere.
  constexpr std::int64_t kBlocksOfBudget = 24;
  limits.block_bytes = options.memory_budget_bytes == -1
                           ? kLargestBlock
                           : std::clamp(options.memory_budget_bytes / kBlocksOfBudget, kSmallestBlock, kLargestBlock);
  // Half of the budget is for blocks, each of which may be there twice: where it is made, and in the store.
  const std::int64_t of_cpus = std::max<std::int64_t>(2, static_cast<std::int64_t>(3 * limits.num_cpus));
  const std::int64_t of_budget = std::max<std::int64_t>(2, limits.budget_bytes / (4 * limits.block_bytes));
  limits.max_blocks = options.max_blocks != -1 ? options.max_blocks : std::min(of_cpus, of_budget);
  return limits;
}

void Limits::feed() {
  task_cpus = 0;
  max_blocks = std::min(max_blocks, std::max<std::int64_t>(2, static_cast<std::int64_t>(num_cpus)));
}

std::int64_t Limits::worker_engine_bytes() const {
  if (!tasks) return 0;
  return std::max(kLeastEngine,
                  static_cast<std::int64_t>(static_cast<double>(budget_bytes) / (4 * std::max(1.0, num_cpus))));
}

void Limits::apply(bool relational) const {
  const std::int64_t bytes = std::max(kLeastOwnEngine, relational ? budget_bytes : budget_bytes / 2);
  keep_engine_limits();
  // A sort needs some tens of MiB for each thread before it can spill.
  constexpr std::int64_t kForThread = 64 * kMiB;
  const auto cpus = static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  engine::Engine::get().limit(bytes, static_cast<int>(std::clamp<std::int64_t>(bytes / kForThread, 1, cpus)));
}

Stage::Stage(const Limits& limits, const StepOptions& options, bool actors, bool keep_bad_rows)
    : limits_(limits), options_(options), actors_(actors) {
  if (options_.num_cpus < 0) options_.num_cpus = limits.task_cpus;
  work_.keep_bad_rows = keep_bad_rows;
  work_.engine_memory_bytes = limits.worker_engine_bytes();
  if (limits.tasks) work_.spill_folder = engine::Engine::get().spill_folder();
}

bool Stage::takes(const StepOptions& options, bool actors) const {
  const double cpus = options.num_cpus < 0 ? limits_.task_cpus : options.num_cpus;
  return !actors && !actors_ && cpus == options_.num_cpus && options.num_gpus == options_.num_gpus;
}

TaskOptions Stage::task_options() const {
  // A block that is lost with its worker is made again, as often as it takes.
  TaskOptions options{.num_cpus = options_.num_cpus, .num_gpus = options_.num_gpus, .max_retries = 10};
  if (!work_.steps.empty()) options.name = work_.steps.back().name;
  return options;
}

Piece Stage::scan(const Scan& scan) const {
  Work work = work_;
  work.scan = scan;
  if (!limits_.tasks) return {{}, executor::scan(work)};
  return {remote<&executor::scan>.options(task_options())(work), {}};
}

Piece Stage::run(const Piece& input) {
  if (!limits_.tasks) {
    if (!actors_) return {{}, executor::run(work_, value_of(input))};
    if (local_ == nullptr) local_ = std::make_unique<Steps>(work_);
    return {{}, local_->run(value_of(input))};
  }
  if (!actors_) {
    if (work_.steps.empty()) return input;
    constexpr auto task = remote<&executor::run>;
    return {
        input.ref ? task.options(task_options())(work_, input.ref) : task.options(task_options())(work_, *input.here),
        {}};
  }
  Member& member = least_busy();
  Ref<Output> call =
      input.ref ? member.actor.call<&Steps::run>(input.ref) : member.actor.call<&Steps::run>(*input.here);
  member.calls.push_back(call);
  return {std::move(call), {}};
}

Stage::Member& Stage::least_busy() {
  for (Member& member : pool_) {
    while (!member.calls.empty() && member.calls.front().ready()) member.calls.pop_front();
  }
  const auto least = std::min_element(pool_.begin(), pool_.end(),
                                      [](const Member& a, const Member& b) { return a.calls.size() < b.calls.size(); });
  const auto size = static_cast<int>(pool_.size());
  constexpr std::size_t kQueued = 2;  // one runs, one waits
  if (size < options_.min_actors || (size < options_.max_actors && least->calls.size() >= kQueued)) {
    const ActorOptions options{
        .num_cpus = options_.num_cpus, .num_gpus = options_.num_gpus, .max_restarts = 10, .max_task_retries = 10};
    return pool_.emplace_back(Member{actor<Steps>.options(options)(work_), {}});
  }
  return *least;
}

namespace {

// Refs to so many inputs, the last of them to nothing.
std::array<Ref<Output>, kInputs> padded(std::span<const Piece> pieces) {
  static_assert(kInputs == 8, "as many parameters as gather and join take");
  std::array<Ref<Output>, kInputs> refs;
  Ref<Output> nothing;
  for (std::size_t i = 0; i < kInputs; ++i) {
    if (i < pieces.size()) {
      refs[i] = pieces[i].ref ? pieces[i].ref : put(*pieces[i].here);
    } else {
      if (!nothing) nothing = put(Output{});
      refs[i] = nothing;
    }
  }
  return refs;
}

}  // namespace

std::vector<Piece> Stage::joined(std::vector<Piece> pieces) const {
  while (limits_.tasks && pieces.size() > kInputs) {
    std::vector<Piece> fewer;
    for (std::size_t i = 0; i < pieces.size(); i += kInputs) {
      const auto group = std::span<const Piece>(pieces).subspan(i, std::min(kInputs, pieces.size() - i));
      const auto r = padded(group);
      const TaskOptions options = task_options();
      fewer.push_back({remote<&executor::join>.options(options)(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]), {}});
    }
    pieces = std::move(fewer);
  }
  return pieces;
}

Piece Stage::gather(const std::vector<Piece>& inputs, std::uint64_t seed, std::int64_t part, std::int64_t parts) const {
  if (limits_.tasks) {
    const auto r = padded(inputs);
    const auto task = remote<&executor::gather>.options(task_options());
    return {task(work_, seed, part, parts, r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]), {}};
  }
  std::vector<Block> blocks;
  for (const Piece& input : inputs) blocks.push_back(value_of(input).block);
  return {{}, gather_blocks(work_, blocks, seed, part, parts)};
}

}  // namespace manta::data::executor
