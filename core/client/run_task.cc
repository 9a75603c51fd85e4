#include "core/client/run_task.h"

#include <cxxabi.h>
#include <unistd.h>

#include <new>

#include <manta/detail/thrown.h>
#include <manta/serial/reader.h>

#include "core/base/log.h"
#include "core/client/client.h"
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

// Of the exception that is being handled.
TaskFailure failure(Client& client, std::string_view label, const TaskInput& input) {
  detail::Thrown thrown = detail::describe_thrown();
  TaskFailure f;
  f.type = std::move(thrown.type);
  f.what = std::move(thrown.text);
  f.function = std::string(label);
  f.node = client.host();
  f.process = ::getpid();
  f.attempt = input.attempt + 1u;
  return f;
}

}  // namespace

TaskContext*& current_task() {
  thread_local TaskContext* context = nullptr;
  return context;
}

MANTA_CATCHES_FORCED_UNWIND bool run_task(Client& client, TaskContext& context, const TaskInput& input,
                                          serial::Writer& result, Error& error, bool& user_exception) {
  const detail::FunctionEntry* function = detail::find_function(input.function);
  if (function == nullptr) {
    error = detail::unknown_function(input.function);
    return false;
  }
  const auto label = [&] { return input.label.empty() ? function->name() : std::string_view(input.label); };
  const bool constructs = context.actor != nullptr && context.actor->object == nullptr;
  OutputSource& output = client.output_source();
  const detail::FunctionId printed_before{output.function()};
  if (context.actor == nullptr || constructs) output.runs(input.function, input.label);
  if (constructs) {
    output.stay(true);
    client.hosted_actor() = {context.id, input.attempt > 0};
  }
  Timeline* const timeline = Timeline::current();
  const auto began = timeline != nullptr ? Timeline::Clock::now() : Timeline::Time();
  const bool resumed = context.coroutine.call != nullptr;
  context.function = input.function.value;
  context.attempt = input.attempt;
  context.outer = current_task();
  current_task() = &context;
  bool ok = false;
  try {
    serial::Reader values(input.values.bytes, input.values.framed, input.values.keepalive);
    Readers references(input.references);
    detail::Arguments arguments{&values,       input.ref_mask, references.data(), input.references.data(),
                                context.actor, context.items,  &context.coroutine};
    function->invoke(arguments, result);
    ok = true;
  } catch (const TaskError& inner) {  // of a task that this one waited for: its type and place are what matters
    TaskFailure f = *inner.task();
    f.trace += (f.trace.empty() ? "" : "\n") + std::string("passed through ") + std::string(label());
    f.what += detail::causes_of_thrown();
    error = Error(std::move(f));
    user_exception = true;
  } catch (const Error& inner) {
    error = Error(inner.code(), "task " + std::string(label()) + ": " + inner.message() + detail::causes_of_thrown());
    user_exception = true;
  } catch (abi::__forced_unwind&) {  // pthread_exit, or the thread is cancelled: nothing can stop that
    current_task() = context.outer;
    throw;
  } catch (...) {
    error = Error(failure(client, label(), input));
    user_exception = true;
  }
  current_task() = context.outer;
  if (Forked::here()) {
    log::error("a child that ", function->name(),
               " had forked came back from it; it ends here, and should end itself by _exit");
    ::_exit(1);
  }
  const bool suspended = context.coroutine.call != nullptr;
  if (context.running != nullptr && context.running->has_source() && !suspended)
    client.drop_stop_source(*context.running);
  if (context.stopped() && !suspended) client.stopped_task_ended(context, !ok);
  if (constructs && context.actor->object == nullptr) {  // it threw
    output.stay(false);
    client.hosted_actor() = {};
  }
  if (context.outer != nullptr) output.runs(printed_before);
  if (timeline != nullptr) {
    const std::string_view outcome = ok ? "done" : context.stopped() ? "cancelled" : "threw";
    if (suspended)
      timeline->suspended(label(), context.id, began);
    else if (resumed)
      timeline->resumed_to_its_end(label(), context.id, outcome);
    else
      timeline->ran(label(), context.id, input.attempt, began, outcome);
  }
  if (!ok) result.clear();
  return ok;
}

}  // namespace manta::client
