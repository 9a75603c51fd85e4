#include "core/worker/local_task.h"

#include <cstddef>
#include <utility>

#include "core/client/task_codec.h"

namespace manta::worker {

namespace {

IncomingTask::Head head_of(client::Client& client, const owner::Entry* entry) MANTA_REQUIRES(client::owner_mutex) {
  IncomingTask::Head head;
  head.submitter = client.self();
  head.kind = net::TaskKind::end;
  if (entry == nullptr) return head;
  head.id = entry->id;
  head.attempt = entry->attempt;
  head.kind = entry->kind == owner::Kind::call    ? net::TaskKind::method
              : entry->kind == owner::Kind::actor ? net::TaskKind::construct
                                                  : net::TaskKind::task;
  if (entry->kind == owner::Kind::call) return head;  // the CPUs are the actor's
  const sched::ResourceSet& request = entry->kind == owner::Kind::actor
                                          ? entry->actor->request
                                          : client.state().owner->leases().request_of(entry->shape);
  head.cpus = static_cast<std::uint32_t>(request.cpus.units());
  return head;
}

}  // namespace

LocalTask::LocalTask(client::Client& client, std::shared_ptr<LocalWorker> worker, owner::Entry* entry)
    : IncomingTask(head_of(client, entry)), client_(client), worker_(std::move(worker)), entry_(entry) {
  if (entry_ != nullptr) detail::retain(entry_);
}

LocalTask::LocalTask(LocalTask&& other) noexcept
    : IncomingTask(other),
      client_(other.client_),
      worker_(other.worker_),
      entry_(std::exchange(other.entry_, nullptr)),
      suspended_(true) {}

LocalTask::~LocalTask() {
  if (suspended_) {
    const client::OwnerLock guard(client_.state());
    --worker_->suspended;
  }
  if (entry_ != nullptr) detail::release(entry_);
}

void LocalTask::read(client::TaskContext&, client::TaskInput& input) {
  input.function = entry_->function;
  input.ref_mask = entry_->ref_mask;
  input.attempt = entry_->attempt;
  if (entry_->extra) input.label = entry_->extra->name;
  input.values = client_.values().read_arguments(*entry_);
  // Those that lie in the entry itself go with its value, should the runtime end before the function.
  if (entry_->value.kind() != owner::Value::Kind::stored) {
    const auto copy = std::make_shared<std::vector<std::byte>>(input.values.bytes.begin(), input.values.bytes.end());
    input.values.bytes = *copy;
    input.keepalive = copy;
  }
  for (owner::Entry* reference : client::references_of(*entry_))
    input.references.push_back(client_.values().read(*reference));
}

std::uint32_t LocalTask::concurrency() const { return entry_->actor->limits.max_concurrency; }

owner::Outcome LocalTask::outcome_of(Ended& ended) {
  owner::Outcome outcome;
  outcome.user_exception = ended.user_exception;
  outcome.items = ended.items;
  try {
    if (ended.ok) {
      outcome.value = client_.store().make_value(ended.result, client::kStoredFromBytes);
      for (detail::EntryHead* inside : ended.result.take_refs())
        outcome.held.push_back(static_cast<owner::Entry*>(inside));
      return outcome;
    }
  } catch (const Error& failed) {
    ended.error = failed.with_context("result of a task");
  }
  outcome.value = owner::Value::of(*ended.error);
  return outcome;
}

void LocalTask::reply(Ended& ended, std::vector<detail::WireRef>) {
  owner::Outcome outcome = outcome_of(ended);
  client::ProcessState& state = client_.state();
  const client::OwnerLock guard(state);
  if (worker_->link.finished(*entry_)) {
    state.owner->finished(*entry_, std::move(outcome));
  } else {
    state.owner->objects().free_value(outcome.value);
    state.owner->objects().drop_holds(outcome.held);
  }
}

std::unique_ptr<IncomingTask> LocalTask::keep() {
  {
    const client::OwnerLock guard(client_.state());
    ++worker_->suspended;
  }
  return std::unique_ptr<IncomingTask>(new LocalTask(std::move(*this)));
}

}  // namespace manta::worker
