#include "core/client/submitting.h"

#include <algorithm>
#include <random>
#include <utility>

#include "core/client/task_codec.h"
#include "core/net/task_ring.h"
#include "core/sched/resources.h"

namespace manta::client {

namespace {

constexpr std::size_t kArgumentsInHeapUpTo = net::Record::kPayloadBytes;

// Without a look for the first that does: for each task it costs less.
bool names_nothing(const TaskOptions& options) {
  bool any = false;
  for (const CustomResource& each : options.resources) any |= (each.name.size() != 0) | (each.amount != 0);
  for (const EnvVariable& each : options.env) any |= (each.name.size() | each.value.size()) != 0;
  return !any;
}

bool same_shape(const TaskOptions& a, const TaskOptions& b) {
  return a.priority == b.priority && a.placement == b.placement && a.node == b.node && a.node_soft == b.node_soft &&
         a.bundle == b.bundle && a.num_cpus == b.num_cpus && a.num_gpus == b.num_gpus &&
         a.memory_bytes == b.memory_bytes;
}

TaskId random_id() {
  std::random_device device;
  const auto word = [&] { return (std::uint64_t{device()} << 32) | device(); };
  return {word(), word()};
}

std::vector<owner::Entry*> held_copies(std::span<detail::EntryHead* const> heads) {
  std::vector<owner::Entry*> entries;
  entries.reserve(heads.size());
  for (detail::EntryHead* head : heads) {
    detail::retain(head);
    entries.push_back(static_cast<owner::Entry*>(head));
  }
  return entries;
}

owner::ActorLimits limits_of(const ActorOptions& options) {
  if (options.max_concurrency < 1 || options.max_concurrency > 4096) {
    throw Error(
        ErrorCode::invalid_argument,
        "ActorOptions::max_concurrency is " + std::to_string(options.max_concurrency) + "; it must be from 1 to 4096");
  }
  return {options.max_restarts, options.max_task_retries, static_cast<std::uint32_t>(options.max_concurrency)};
}

}  // namespace

Submitting::Submitting(ProcessState& state, SubmitContext& context) : state_(state), context_(context) {
  root_.id = random_id();
}

TaskContext& Submitting::task() {
  TaskContext* task = current_task();
  return task != nullptr ? *task : root_;
}

owner::ShapeIndex Submitting::shape_of(const TaskOptions& options) {
  const bool plain = names_nothing(options);
  if (plain && have_last_shape_ && same_shape(options, last_options_)) return last_shape_;
  auto request = sched::request_of(options);
  if (!request) throw_error(request.error());
  const owner::ShapeIndex shape = state_.owner->leases().shape_of(*request, sched::where_of(options));
  if (!plain) return shape;
  last_shape_ = shape;
  last_options_ = options;
  have_last_shape_ = true;
  return shape;
}

owner::NewTask Submitting::new_task(detail::FunctionId function, const serial::Writer& values, std::uint32_t ref_mask,
                                    std::span<detail::EntryHead* const> references) {
  owner::NewTask task;
  task.arguments = context_.make_value(values, kArgumentsInHeapUpTo);
  task.function = function;
  task.ref_mask = ref_mask;
  if (!references.empty()) {
    task.references.reserve(references.size());
    for (detail::EntryHead* head : references) task.references.push_back(static_cast<owner::Entry*>(head));
  }
  if (!values.refs().empty()) task.contained = held_copies(values.refs());
  return task;
}

// Where the task is refused, what it has been given goes back. The background thread says so if the task has to wait.
template <class HandOver>
owner::Entry* Submitting::hand_over(owner::NewTask& task, HandOver&& to_owner) {
  owner::Entry* entry = nullptr;
  try {
    const OwnerLock guard(state_);
    if (state_.end) throw_error(*state_.end);
    entry = to_owner();
  } catch (...) {
    {
      const OwnerLock guard(state_);
      state_.owner->objects().free_value(task.arguments);
    }
    for (owner::Entry* each : task.contained) detail::release(each);
    throw;
  }
  context_.submitted(*entry);
  return entry;
}

owner::Entry* Submitting::submit(const detail::TaskCall& call) {
  const auto start = state_.events.now_if_timed();
  if (call.options.max_retries < -1) [[unlikely]]
    sched::refuse_count(call.options.max_retries, "TaskOptions::max_retries");
  const auto limit = owner::limit_of("TaskOptions::timeout", call.options.timeout);
  owner::NewTask made = new_task(call.function, call.values, call.ref_mask, call.references);
  made.max_retries = static_cast<std::int16_t>(std::min(call.options.max_retries, 32'000));
  made.retry_exceptions = call.options.retry_exceptions;
  if (!call.options.name.empty()) made.name = call.options.name;
  if (call.streams) made.stream_buffer = call.options.stream_buffer;
  made.limit = limit;
  owner::Entry* const entry = hand_over(made, [&]() MANTA_REQUIRES(owner_mutex) {
    made.shape = shape_of(call.options);
    made.id = task().next_child();
    return state_.owner->tasks().submit(std::move(made));
  });
  state_.events.publish_task(observe::TaskSubmitted{entry->id, start});
  return entry;
}

owner::Entry* Submitting::call(const detail::MethodCall& call) {
  const auto start = state_.events.now_if_timed();
  const auto limit = owner::limit_of("CallOptions::timeout", call.options.timeout);
  owner::NewTask made = new_task(call.method, call.values, call.ref_mask, call.references);
  if (call.streams) made.stream_buffer = call.options.stream_buffer;
  made.limit = limit;
  owner::Entry* const entry = hand_over(made, [&]() MANTA_REQUIRES(owner_mutex) {
    made.id = task().next_child();
    return state_.owner->actors().call(static_cast<owner::Entry&>(*call.actor), std::move(made));
  });
  state_.events.publish_task(observe::TaskSubmitted{entry->id, start});
  return entry;
}

owner::Entry* Submitting::create_actor(const detail::ActorCall& call) {
  owner::NewActor actor;
  auto request = sched::request_of_actor(call.options);
  if (!request) throw_error(request.error());
  actor.limits = limits_of(call.options);
  if (call.options.get_if_exists && call.options.name.empty()) {
    throw Error(ErrorCode::invalid_argument, "ActorOptions::get_if_exists needs ActorOptions::name");
  }
  const std::string name(call.options.name), type(call.type);
  if (call.options.get_if_exists) {  // spares the making of one that is not needed
    if (owner::Entry* found = context_.find_actor(name, type)) return found;
  }
  actor.name = name;
  actor.request = std::move(*request);
  actor.where = sched::where_of(call.options);
  actor.held_back = !name.empty();
  actor.constructor = new_task(call.constructor, call.values, call.ref_mask, call.references);
  owner::Entry* const entry = hand_over(actor.constructor, [&]() MANTA_REQUIRES(owner_mutex) {
    actor.constructor.id = task().next_child();
    owner::Entry* const made = state_.owner->actors().create(std::move(actor));
    (void)state_.owner->borrowing().export_ref(*made);  // from now on its id finds it
    return made;
  });
  return name.empty() ? entry : context_.name_actor(*entry, name, type, call.options.get_if_exists);
}

owner::Entry* Submitting::put(const serial::Writer& writer) {
  owner::Value value = context_.make_value(writer, kStoredFromBytes);
  std::vector<owner::Entry*> contained;
  if (!writer.refs().empty()) contained = held_copies(writer.refs());
  return put(std::move(value), std::move(contained));
}

owner::Entry* Submitting::put(owner::Value value, std::vector<owner::Entry*> contained) {
  const OwnerLock guard(state_);
  TaskContext& putter = task();
  return state_.owner->objects().put(putter.id.put(putter.puts++), std::move(value), std::move(contained));
}

}  // namespace manta::client
