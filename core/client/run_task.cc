#include "core/client/run_task.h"

#include <cxxabi.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <new>

#include <manta/detail/exceptions.h>
#include <manta/serial/reader.h>

#include "core/client/client.h"
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

std::string type_of_current_exception() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type == nullptr) return "unknown";
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(abi::__cxa_demangle(type->name(), nullptr, nullptr, &status),
                                                         &std::free);
  return status == 0 ? name.get() : type->name();
}

TaskFailure failure(Client& client, const detail::FunctionEntry& function, const TaskInput& input, std::string what) {
  TaskFailure f;
  f.type = type_of_current_exception();
  f.what = std::move(what);
  f.function = std::string(function.name());
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

bool run_task(Client& client, TaskContext& context, const TaskInput& input, serial::Writer& result, Error& error,
              bool& user_exception) {
  const detail::FunctionEntry* function = detail::find_function(input.function);
  if (function == nullptr) {
    error = detail::unknown_function(input.function);
    return false;
  }
  const bool constructs = context.actor != nullptr && context.actor->object == nullptr;
  OutputSource& output = client.output_source();
  const detail::FunctionId printed_before{output.function()};
  if (context.actor == nullptr || constructs) output.runs(input.function);
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
    detail::Arguments arguments{&values,        input.ref_mask, references.data(),
                                context.actor, context.items,  &context.coroutine};
    function->invoke(arguments, result);
    ok = true;
  } catch (const TaskError& inner) {  // of a task that this one waited for: its type and place are what matters
    TaskFailure f = *inner.task();
    f.trace += (f.trace.empty() ? "" : "\n") + std::string("passed through ") + std::string(function->name());
    error = Error(std::move(f));
    user_exception = true;
  } catch (const Error& inner) {
    error = inner.with_context("task " + std::string(function->name()));
    user_exception = true;
  } catch (const std::exception& thrown) {
    error = Error(failure(client, *function, input, detail::message_of(thrown)));
    user_exception = true;
  } catch (abi::__forced_unwind&) {
    throw;  // the thread is being cancelled
  } catch (...) {
    error = Error(failure(client, *function, input, ""));
    user_exception = true;
  }
  current_task() = context.outer;
  const bool suspended = context.coroutine.call != nullptr;
  if (context.running != nullptr && context.running->has_source() && !suspended) client.drop_stop_source(*context.running);
  if (context.stopped() && !suspended) client.stopped_task_ended(context, !ok);
  if (constructs && context.actor->object == nullptr) {  // it threw
    output.stay(false);
    client.hosted_actor() = {};
  }
  if (context.outer != nullptr) output.runs(printed_before);
  if (timeline != nullptr) {
    const std::string_view outcome = ok ? "done" : context.stopped() ? "cancelled" : "threw";
    if (suspended) timeline->suspended(function->name(), context.id, began);
    else if (resumed) timeline->resumed_to_its_end(function->name(), context.id, outcome);
    else timeline->ran(function->name(), context.id, input.attempt, began, outcome);
  }
  if (!ok) result.clear();
  return ok;
}

}  // namespace manta::client
