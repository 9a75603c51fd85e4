#include "core/client/task_runner.h"

#include <cxxabi.h>
#include <unistd.h>

#include <new>

#include <manta/detail/thrown.h>
#include <manta/serial/reader.h>

#include "core/base/log.h"
#include "core/client/forked.h"
#include "core/client/function_table.h"
#include "core/client/timeline.h"

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
  const auto label = [&] { return label_of(*function, input); };
  const bool constructs = context.actor != nullptr && context.actor->object == nullptr;
  const detail::FunctionId printed_before{output_.function()};
  if (context.actor == nullptr || constructs) output_.runs(input.function, input.label);
  if (constructs) {
    output_.stay(true);
    hosted_ = {context.id, input.attempt > 0};
  }
  Timeline* const timeline = Timeline::current();
  const auto began = timeline != nullptr ? Timeline::Clock::now() : Timeline::Time();
  const bool resumed = context.coroutine.call != nullptr;
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
  if (constructs && context.actor->object == nullptr) {  // it threw
    output_.stay(false);
    hosted_ = {};
  }
  if (context.outer != nullptr) output_.runs(printed_before);
  if (timeline != nullptr) {
    const std::string_view outcome = ended.ok ? "done" : context.stopped() ? "cancelled" : "threw";
    if (suspended)
      timeline->suspended(label(), context.id, began);
    else if (resumed)
      timeline->resumed_to_its_end(label(), context.id, outcome);
    else
      timeline->ran(label(), context.id, input.attempt, began, outcome);
  }
  if (!ended.ok) ended.result.clear();
}

}  // namespace manta::client
