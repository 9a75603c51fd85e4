#include "core/testing/sim_program.h"

#include <algorithm>
#include <utility>

#include "core/testing/sim_process.h"
#include "core/testing/sim_world.h"

namespace manta::sim {

namespace {

constexpr std::size_t kMostVariables = 24;

}  // namespace

Program::Program(World& world, SimProcess& process, ProgramKind kind, TaskId id, std::uint16_t attempt,
                 std::vector<Variable> arguments)
    : world_(world),
      process_(process),
      kind_(kind),
      id_(id),
      attempt_(attempt),
      random_(detail::mix64(world.options.seed) ^ id.low),
      variables_(std::move(arguments)) {
  ops_left_ = static_cast<std::uint32_t>(kind.driver ? 10 + random_.below(30) : 1 + random_.below(7));
}

Program::Step Program::step() {
  if (!awaited_.empty()) {
    if (!wait_is_over()) return Step::wait;
    threw_ = stopped_ && !enough_is_there();
    if (threw_) return Step::end;
    finish_wait();
    if (threw_) return Step::end;
  }
  pause_ = Time(1000);
  if (ops_left_ == 0) return end();
  if (world_.options.actors > 0 && random_.chance(30) && use_actors()) return Step::pause;
  if (world_.options.cancels > 0 && random_.chance(world_.options.cancels) && cancel_one()) return Step::pause;
  --ops_left_;
  if (kind_.driver && world_.tasks_left > 0 && ops_left_ == 0 && !world_.winding_down) ops_left_ = 5;
  const bool may_submit = kind_.depth < world_.options.depth && world_.tasks_left > 0 && !world_.winding_down;
  switch (random_.below(20)) {
    default:  // work
      pause_ = Time(1000 + static_cast<Time::rep>(random_.skewed(world_.options.longest_task.count())));
      return Step::pause;
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
      if (may_submit) submit_some();
      return Step::pause;
    case 10:
      put_one();
      return Step::pause;
    case 11:
    case 12:
    case 13:
    case 14:
    case 15:
      return wait_some();
    case 16:
    case 17:
      drop_one();
      return Step::pause;
    case 18:
      hand_out();
      return Step::pause;
    case 19:
      if (kind_.driver && random_.chance(2)) {
        leaves_early_ = true;
        return Step::end;
      }
      if (!kind_.driver && random_.chance(25)) {
        // Some tasks throw (nearly) always, some only at first. A task with unlimited retries returns in the end.
        threw_ = attempt_ < (random_.chance(50) ? 6 : random_.below(3));
        if (threw_) return Step::end;
      }
      return Step::pause;
  }
}

Program::Step Program::end() {
  if (!kind_.driver) {
    for (std::size_t n = random_.chance(30) ? 1 + random_.below(2) : 0; n > 0 && !variables_.empty(); --n) {
      results_.push_back(random_.below(variables_.size()));
    }
  }
  return Step::end;
}

// Some of the variables, each with one more reference.
std::vector<owner::Entry*> Program::pick(std::size_t most, bool handles) {
  std::vector<owner::Entry*> picked;
  for (std::size_t n = random_.below(most + 1); n > 0 && !variables_.empty(); --n) {
    const Variable& variable = variables_[random_.below(variables_.size())];
    if (variable.actor && !handles) continue;
    picked.push_back(process_.copy(variable).entry);
  }
  return picked;
}

void Program::submit_some() {
  const std::uint64_t most = kind_.driver ? 16 : world_.options.fan_out;
  for (std::uint64_t n = 1 + random_.skewed(most - 1); n > 0 && world_.tasks_left > 0; --n) submit_one();
}

void Program::submit_one() {
  --world_.tasks_left;
  const std::size_t shape = random_.chance(70) ? 0 : random_.below(world_.shapes.size());
  const ProgramKind kind{static_cast<std::uint8_t>(kind_.depth + 1),
                         world_.shapes[shape].cpu_only && random_.chance(80), false};
  owner::NewTask task;
  task.id = id_.child(children_++);
  task.function = kind.function();
  task.shape = process_.owner().leases().shape_of(world_.shapes[shape].request);
  task.max_retries = static_cast<std::int16_t>(random_.chance(10) ? -1 : random_.below(world_.options.max_retries + 1));
  task.retry_exceptions = random_.chance(30);
  task.references = pick(random_.chance(50) ? 2 : 0, false);
  task.contained = pick(random_.chance(40) ? 2 : 0);
  const std::vector<owner::Entry*> given = task.references;  // submit holds them for itself
  const Variable result = process_.submit(std::move(task), random_.chance(10));
  for (owner::Entry* entry : given) process_.drop(process_.adopt(entry));
  if (random_.chance(8)) {
    process_.drop(result);
  } else {
    add(result);
  }
}

void Program::put_one() {
  std::vector<owner::Entry*> contained = pick(2);
  add(process_.put(id_.put(puts_++), std::move(contained), random_.chance(20)));
}

void Program::add(Variable variable) {
  variables_.push_back(variable);
  while (variables_.size() > kMostVariables) drop_one();
}

void Program::drop_one() {
  if (variables_.empty()) return;
  const std::size_t i = random_.below(variables_.size());
  process_.drop(variables_[i]);
  variables_.erase(variables_.begin() + static_cast<std::ptrdiff_t>(i));
}

void Program::drop_variables() {
  for (const Variable& variable : std::exchange(variables_, {})) process_.drop(variable);
}

Program::Step Program::wait_some() {
  std::vector<owner::Entry*> open;
  const std::size_t most = random_.chance(50) ? 1 : kMostVariables;
  for (std::size_t n = std::min(most, variables_.size()),
                   at = variables_.empty() ? 0 : random_.below(variables_.size());
       n > 0; --n, ++at) {
    const Variable& variable = variables_[at % variables_.size()];
    if (variable.actor || (!variable.entry->resolved.load() && !kind_.may_wait)) continue;
    open.push_back(variable.entry);
  }
  if (open.empty()) return Step::pause;
  awaited_ = std::move(open);
  awaited_count_ = random_.chance(70) ? awaited_.size() : 1 + random_.below(awaited_.size());
  deadline_ = random_.chance(10) ? world_.now() + world_.random_time(std::chrono::milliseconds(5)) : Time::max();
  for (owner::Entry* entry : awaited_) {
    if (!entry->resolved.load()) process_.want(*entry);
  }
  if (!wait_is_over()) return Step::wait;
  return step();
}

bool Program::wait_is_over() const { return stopped_ || world_.now() >= deadline_ || enough_is_there(); }

bool Program::enough_is_there() const {
  const auto done =
      std::count_if(awaited_.begin(), awaited_.end(), [](const owner::Entry* e) { return e->resolved.load(); });
  return static_cast<std::size_t>(done) >= awaited_count_;
}

void Program::finish_wait() {
  const std::vector<owner::Entry*> awaited = std::exchange(awaited_, {});
  deadline_ = Time::max();
  for (const owner::Entry* entry : awaited) {
    if (!entry->resolved.load()) continue;
    const auto it =
        std::find_if(variables_.begin(), variables_.end(), [&](const Variable& v) { return v.entry == entry; });
    if (it == variables_.end()) continue;  // it was there twice, and has been dealt with
    look_at(static_cast<std::size_t>(it - variables_.begin()));
    if (threw_) return;
  }
}

// Reads the value as a user would: decodes what is inside, or sees the error.
void Program::look_at(std::size_t index) {
  const Variable variable = variables_[index];
  world_.oracle.got(process_.id(), variable.name(), variable.entry->value);
  if (variable.entry->value.failed()) {
    if (!kind_.driver && random_.chance(20)) threw_ = attempt_ < 6;
    process_.drop(variable);
    variables_.erase(variables_.begin() + static_cast<std::ptrdiff_t>(index));
    return;
  }
  Payload payload;
  if (!decode(variable.entry->value, world_.store, payload)) return;  // the Oracle has seen it
  for (const detail::WireRef& ref : payload.refs) {
    if (random_.chance(60) && variables_.size() < kMostVariables) variables_.push_back(process_.import(ref));
  }
  if (!random_.chance(40)) return;
  process_.drop(variable);
  variables_.erase(variables_.begin() + static_cast<std::ptrdiff_t>(index));
}

// The result of a task or a call, its own or another's.
bool Program::cancel_one() {
  if (variables_.empty()) return false;
  const Variable& variable = variables_[random_.below(variables_.size())];
  if (variable.actor) return false;
  process_.cancel(variable, random_.chance(60));
  return true;
}

// References that leave the tree of tasks. Only settled objects: no process can wait for one of these in vain.
void Program::hand_out() {
  if (world_.winding_down) return;
  if (random_.chance(40)) {
    Variable kept;
    if (process_.take_kept(random_, kept)) add(kept);
    return;
  }
  if (variables_.empty()) return;
  const Variable variable = variables_[random_.below(variables_.size())];
  if (!world_.oracle.settled(variable.name())) return;
  if (kind_.driver || random_.chance(30)) {
    process_.mail(variable, random_);
  } else {
    process_.keep(process_.copy(variable));
  }
}

}  // namespace manta::sim
