#include "core/client/task_runner.h"

#include <cxxabi.h>
#include <unistd.h>

#include <new>

#include <manta/detail/thrown.h>
#include <manta/serial/reader.h>

#include "core/base/log.h"
#include "core/client/forked.h"
#include "core/client/function_table.h"

namespace manta::client {

namespace {

// Readers cannot move: a row of them in raw memory.
class Readers {
 public:
  explicit Readers(const std::vector<detail::ValueView>& views) : size_(views.size()) {
    if (size_ == 0) return;
    memory_ = static_cast<serial::Reader*>(::operator new(size_ * sizeof(serial::Reader)));
    for (std::size_t i = 0; i < size_; ++i) {
      new (&memory_[i]) serial::Reader(views[i].bytes, views[i].framed, views[i].keepalive);
    }
  }
  ~Readers() {
    std::destroy_n(memory_, size_);
    ::operator delete(memory_);
  }
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;
  serial::Reader* data() { return memory_; }

 private:
  std::size_t size_;
  serial::Reader* memory_ = nullptr;
};

std::string_view label_of(const detail::FunctionEntry& function, const TaskInput& input) {
  return input.label.empty() ? function.name() : std::string_view(input.label);
}

}  // namespace

TaskContext*& current_task() {
  thread_local TaskContext* context = nullptr;
  return context;
}

// Of the exception that is being handled.
TaskFailure TaskRunner::failure(std::string_view label, const TaskInput& input) const {
  detail::Thrown thrown = detail::describe_thrown();
  TaskFailure f;
  f.type = std::move(thrown.type);
  f.what = std::move(thrown.text);
  f.function = std::string(label);
  f.node = state_.welcome.host;
  f.process = ::getpid();
  f.attempt = input.attempt + 1u;
  return f;
}

// The call of user code, and whatever it throws.
MANTA_CATCHES_FORCED_UNWIND void TaskRunner::invoke(const detail::FunctionEntry& function, TaskContext& context,
                                                    const TaskInput& input, Ended& ended) {
  const auto label = [&] { return label_of(function, input); };
  context.outer = current_task();
  current_task() = &context;
  try {
    serial::Reader values(input.values.bytes, input.values.framed, input.values.keepalive);
    Readers references(input.references);
    detail::Arguments arguments{&values,       input.ref_mask, references.data(), input.references.data(),
                                context.actor, context.items,  &context.coroutine};
    function.invoke(arguments, ended.result);
    ended.ok = true;
  } catch (const TaskError& inner) {  // of a task that this one waited for: its type and place are what matters
    TaskFailure f = *inner.task();
    f.trace += (f.trace.empty() ? "" : "\n") + std::string("passed through ") + std::string(label());
    f.what += detail::causes_of_thrown();
    ended.error = Error(std::move(f));
    ended.user_exception = true;
  } catch (const Error& inner) {
    ended.error =
        Error(inner.code(), "task " + std::string(label()) + ": " + inner.message() + detail::causes_of_thrown());
    ended.user_exception = true;
  } catch (abi::__forced_unwind&) {  // pthread_exit, or the thread is cancelled: nothing can stop that
    current_task() = context.outer;
    throw;
  } catch (...) {
    ended.error = Error(failure(label(), input));
    ended.user_exception = true;
  }
  current_task() = context.outer;
}

void TaskRunner::run(TaskContext& context, const TaskInput& input, Ended& ended) {
  ended.ok = false;
  const detail::FunctionEntry* function = detail::find_function(input.function);
  if (function == nullptr) {
    ended.error = detail::unknown_function(input.function);
    return;
  }
  using Outcome = observe::TaskEnds::Outcome;
  const bool constructs = context.actor != nullptr && context.actor->object == nullptr;
  const observe::TaskFunction named{input.function, function->name, input.label};
  const observe::TaskKind kind = context.actor == nullptr ? observe::TaskKind::task
                                 : constructs             ? observe::TaskKind::constructor
                                                          : observe::TaskKind::method;
  const bool inside = current_task() != nullptr;
  const bool resumed = context.coroutine.call != nullptr;
  if (constructs) *context.hosted = {context.id, input.attempt > 0};
  state_.events.publish_task(observe::TaskBegins{named, kind, inside});
  const auto began = state_.events.now_if_timed();
  context.function = input.function.value;
  context.attempt = input.attempt;
  invoke(*function, context, input, ended);
  if (Forked::here()) {
    log::error("a child that ", function->name(),
               " had forked came back from it; it ends here, and should end itself by _exit");
    ::_exit(1);
  }
  const bool suspended = context.coroutine.call != nullptr;
  if (context.running != nullptr && context.running->has_source() && !suspended)
    effects_.drop_stop_source(*context.running);
  if (context.stopped() && !suspended) effects_.stopped_ended(context, !ended.ok);
  const bool constructed = constructs && context.actor->object != nullptr;
  if (constructs && !constructed) *context.hosted = {};  // it threw
  const Outcome outcome = suspended           ? Outcome::suspended
                          : ended.ok          ? Outcome::done
                          : context.stopped() ? Outcome::cancelled
                                              : Outcome::threw;
  state_.events.publish_task(
      observe::TaskEnds{named, kind, inside, context.id, input.attempt, began, outcome, resumed, constructed});
  if (!ended.ok) ended.result.clear();
}

}  // namespace manta::client
