// What happens in a process, for what subscribes to it: the timeline, the log, the marks in what workers print. A part
// that does something publishes the event, and knows none of the subscribers.
//
// Threading: subscribe before the first event. Events are published in the thread in which they happen; those that say
// so, with the owner's mutex. Ownership: subscribers outlive the list; what an event refers to lives during the call.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <manta/detail/entry.h>
#include <manta/error.h>
#include <manta/ids.h>

namespace manta::observe {

using Clock = std::chrono::steady_clock;

// This thread submitted a task, or called an actor.
struct TaskSubmitted {
  TaskId task;
  Clock::time_point at;
};

// A function of a task, a call or a constructor, and its label by the task's options; empty: the function's own.
struct TaskFunction {
  detail::FunctionId id;
  std::string_view (*name)();
  const std::string& given;
  std::string_view label() const { return given.empty() ? name() : std::string_view(given); }
};
enum class TaskKind : std::uint8_t { task, constructor, method };

// This thread begins to run a task, or goes on with one whose coroutine has waited.
struct TaskBegins {
  const TaskFunction& function;
  TaskKind kind;
  bool inside;  // on the stack of a task that waits for it
};

// It has run until now.
struct TaskEnds {
  enum class Outcome : std::uint8_t { done, threw, cancelled, suspended };
  const TaskFunction& function;
  TaskKind kind;
  bool inside;
  TaskId task;
  unsigned attempt;
  Clock::time_point began;  // if a subscriber wants times
  Outcome outcome;
  bool resumed;      // its coroutine had waited before
  bool constructed;  // a constructor that has made its object
};

// This thread has waited in Manta until now.
struct Waited {
  Clock::time_point since;
};

// The executor has nothing to do; or the process is about to end in order.
struct Idle {};

// A worker that runs tasks of this process has ended.
struct WorkerEnded {
  std::string_view status;
};

// --- with the owner's mutex

// A task, a call or an actor is tried once more, or the task of a result that was lost.
struct TriedAgain {
  const std::string& what;
  std::uint32_t attempt;
  const std::string& why;
};

struct ActorRestarts {
  const std::string& actor;
  std::string_view status;  // of the process that ended
  bool in_constructor;
  bool asked_for;
  std::uint64_t number;
  std::int64_t most;  // -1: without end
  std::chrono::milliseconds delay;
};

// Nothing reads the result of what failed.
struct FailedUnread {
  const std::string& what;
  const Error& error;
};

// Now and then, while there is something to do.
struct Tick {
  Clock::time_point now;
};

// The program ends its runtime.
struct Finishing {};

using RareEvent = std::variant<WorkerEnded, TriedAgain, ActorRestarts, FailedUnread, Tick, Finishing>;

// Of what happens for each task.
class TaskSubscriber {
 public:
  virtual ~TaskSubscriber() = default;
  virtual void on(const TaskSubmitted& event) = 0;
  virtual void on(const TaskBegins& event) = 0;
  virtual void on(const TaskEnds& event) = 0;
  virtual void on(const Waited& event) = 0;
  virtual void on(const Idle& event) = 0;
};

class Subscriber {
 public:
  virtual ~Subscriber() = default;
  virtual void observe(const RareEvent& event) = 0;
};

class Events {
 public:
  void subscribe(Subscriber& subscriber) { rare_.push_back(&subscriber); }
  // wants_times: the times of tasks and waits are measured for it.
  void subscribe_to_tasks(TaskSubscriber& subscriber, bool wants_times) {
    tasks_.push_back(&subscriber);
    timed_ = timed_ || wants_times;
  }
  bool timed() const { return timed_; }
  Clock::time_point now_if_timed() const { return timed_ ? Clock::now() : Clock::time_point(); }

  // Costs a look where nothing has subscribed.
  template <class Event>
  void publish_task(const Event& event) const {
    for (TaskSubscriber* subscriber : tasks_) subscriber->on(event);
  }
  void publish(const RareEvent& event) const {
    for (Subscriber* subscriber : rare_) subscriber->observe(event);
  }

 private:
  std::vector<TaskSubscriber*> tasks_;
  std::vector<Subscriber*> rare_;
  bool timed_ = false;
};

}  // namespace manta::observe
