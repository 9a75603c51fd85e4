// Coroutines as tasks and as methods of actors.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <manta/detail/coroutine_call.h>
#include <manta/function.h>
#include <manta/get.h>
#include <manta/ref.h>

namespace manta {

namespace detail {
template <class T>
struct TaskPromise;
template <class T>
struct TaskPromiseBase;
template <class T>
class TaskAwaiter;
template <class T>
class AllAwaiter;
}  // namespace detail

/// What a coroutine returns that computes a T (or nothing: Task<void>) and may wait on its way without holding a
/// thread.
///
/// remote<f> of a function that returns Task<T> gives a Ref<T>, as any task does: while it waits, it releases its CPUs,
/// as get() does. Methods of an actor that return Task<T> are more: all of them run in one thread, each until it waits;
/// then the next call starts, or one whose wait is over goes on. So up to ActorOptions::max_concurrency calls (1,000
/// unless given) are under way at a time, none of them interrupted between two co_awaits: no locks. Ordinary methods of
/// such an actor run in the same thread, between them. Calls start in order and end in any; see Actor.
///
///     manta::Task<int> sum(manta::Ref<int> a, manta::Ref<int> b) { co_return co_await a + co_await b; }
///
/// What can be awaited, in a function that returns a Task:
///     co_await ref                  the value of a Ref<T>; throws what get(ref) throws
///     co_await task                 a Task<T>, which begins only now, once; exceptions pass through
///     co_await sleep_for(100ms)     others run meanwhile
///     co_await yield()              the same, without a time
///     co_await any                  auto any = when_any(a, b): the position of one that is ready (<manta/when.h>)
/// A Ref or Task must have a name (auto r = remote<f>(x); co_await r): g++ 12 destroys some temporaries of an
/// expression that contains co_await twice. manta::get() inside a coroutine works, but holds up all other calls of the
/// actor, and so does a method that is a Generator while its reader is behind.
///
/// Parameters by value are the coroutine's own. Those by const reference refer to the decoded arguments, which are kept
/// until the coroutine has ended; what a reference of a *child* refers to, its caller must keep. A lambda with captures
/// that is a coroutine needs to outlive it, as anywhere in C++.
///
/// manta::cancel of a call that waits destroys its frames where they wait: locals' destructors run, no catch sees it.
/// Where an actor ends while calls are suspended (its creator died), their frames are destroyed first, locals and all,
/// then the actor. A kill -9 counts for a suspended call as for any other that had started: max_task_retries.
///
/// **Threading**: runs in one thread, the one that awaits it or calls get(). **Ownership**: movable, owns the
/// coroutine's frame.
template <class T>
class [[nodiscard("a Task does nothing until it is awaited")]] Task {
  static_assert(std::is_same_v<T, std::remove_cvref_t<T>>, "manta: a Task returns a plain type, without const or &");

 public:
  using value_type = T;
  using promise_type = detail::TaskPromise<T>;

  Task() noexcept = default;
  Task(Task && other) noexcept : promise_(std::exchange(other.promise_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    Task old(std::move(*this));
    promise_ = std::exchange(other.promise_, nullptr);
    return *this;
  }
  ~Task() {
    if (promise_ != nullptr) promise_->handle.destroy();
  }

  /// False: default-constructed, moved from, or awaited to its end.
  explicit operator bool() const noexcept { return promise_ != nullptr; }

 private:
  friend detail::TaskPromiseBase<T>;
  friend detail::TaskAwaiter<T>;
  friend detail::AllAwaiter<T>;
  template <class Callee, class R, class Parameters>
  friend class detail::StartedCall;
  template <class U>
  friend class detail::TaskRun;

  explicit Task(promise_type * promise) noexcept : promise_(promise) {}
  promise_type& unstarted() const;
  T take();

  promise_type* promise_ = nullptr;
};

namespace detail {

template <class T>
inline constexpr bool is_task<Task<T>> = true;
template <class T>
struct ResultOf<Task<T>> {
  using type = T;
};

struct SleepUntil {
  Deadline time;
};
template <class T>
struct AllOf {
  std::vector<Task<T>>* tasks;
};
template <class T>
inline constexpr bool is_all_of = false;
template <class T>
inline constexpr bool is_all_of<AllOf<T>> = true;

[[noreturn]] void throw_not_a_new_task(bool empty);

/// Registered with the resumer while it is suspended.
class Suspension {
 public:
  Suspension() = default;
  Suspension(const Suspension&) = delete;
  Suspension& operator=(const Suspension&) = delete;
  ~Suspension() {
    if (await_.waiting) [[unlikely]]
      await_.resumer->forget(await_);
  }

 protected:
  Resumer& prepare(CoroutineState& coroutine) {
    await_.coroutine = &coroutine;
    await_.resumer = coroutine.call->resumer;
    return *await_.resumer;
  }
  Await await_;
};

template <class T>
class RefAwaiter : Suspension {
 public:
  explicit RefAwaiter(const Ref<T>& ref) : ref_(ref) {}
  bool await_ready() const { return ref_.ready(); }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> coroutine) {
    await_.entry = &ref_.entry();
    return await_.waiting = prepare(coroutine.promise()).wait_for(await_);
  }
  T await_resume() const { return value_of<T>(ref_.entry()); }

 private:
  const Ref<T> ref_;  // the one that was awaited may change meanwhile
};

class TimeAwaiter : Suspension {
 public:
  explicit TimeAwaiter(Deadline time) : time_(time) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> coroutine) {
    prepare(coroutine.promise()).wait_until(await_, time_);
    await_.waiting = true;
  }
  void await_resume() const noexcept {}

 private:
  Deadline time_;
};

template <class T>
class TaskAwaiter {
 public:
  explicit TaskAwaiter(Task<T>& task) : task_(task), promise_(task.unstarted()) {}
  TaskAwaiter(const TaskAwaiter&) = delete;
  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> coroutine) {
    CoroutineState& parent = coroutine.promise();
    promise_.call = parent.call;
    promise_.awaited_by = &parent;
    parent.call->next = &promise_;
  }
  T await_resume() const { return task_.take(); }

 private:
  Task<T>& task_;
  CoroutineState& promise_;
};

/// Runs each until it waits, one after the other, inside the coroutine that awaits them all.
template <class T>
class AllAwaiter {
 public:
  explicit AllAwaiter(std::vector<Task<T>>& tasks) : tasks_(tasks) {
    for (const Task<T>& task : tasks_) (void)task.unstarted();
  }
  AllAwaiter(const AllAwaiter&) = delete;
  bool await_ready() const noexcept { return tasks_.empty(); }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> coroutine) {
    CoroutineState& parent = coroutine.promise();
    left_ = tasks_.size() + 1;  // one more: the last must not resume a parent that has not suspended yet
    for (const Task<T>& task : tasks_) {
      CoroutineState& child = *task.promise_;
      child.call = parent.call;
      child.awaited_by = &parent;
      child.all_of = &left_;
      resume(child);
    }
    return --left_ != 0;
  }
  auto await_resume() const {
    if constexpr (std::is_void_v<T>) {
      for (Task<T>& task : tasks_) task.take();
    } else {
      std::vector<T> values;
      values.reserve(tasks_.size());
      for (Task<T>& task : tasks_) values.push_back(task.take());
      return values;
    }
  }

 private:
  std::vector<Task<T>>& tasks_;
  std::size_t left_ = 0;
};

/// Resumes at the first of several objects.
class AnyAwaiter {
 public:
  explicit AnyAwaiter(const std::vector<Ref<Untyped>>& refs) : refs_(refs) {}
  AnyAwaiter(const AnyAwaiter&) = delete;
  AnyAwaiter& operator=(const AnyAwaiter&) = delete;
  ~AnyAwaiter() { forget(); }
  bool await_ready() const { return first() < refs_.size(); }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> coroutine) {
    CoroutineState& state = coroutine.promise();
    awaits_ = std::vector<Await>(refs_.size());
    for (std::size_t i = 0; i < refs_.size(); ++i) {
      awaits_[i].coroutine = &state;
      awaits_[i].resumer = state.call->resumer;
      awaits_[i].entry = &refs_[i].entry();
      awaits_[i].waiting = awaits_[i].resumer->wait_for(awaits_[i]);
      if (awaits_[i].waiting) continue;
      forget();
      return false;
    }
    return true;
  }
  std::size_t await_resume() {
    forget();
    return first();
  }

 private:
  std::size_t first() const {
    std::size_t i = 0;
    while (i < refs_.size() && !refs_[i].ready()) ++i;
    return i;
  }
  void forget() noexcept {
    for (Await& await : awaits_) {
      if (std::exchange(await.waiting, false)) await.resumer->forget(await);
    }
  }

  const std::vector<Ref<Untyped>>& refs_;
  std::vector<Await> awaits_;
};
/// co_await FirstOf{refs}: the position of one that is ready.
struct FirstOf {
  const std::vector<Ref<Untyped>>& refs;
};

struct FinalAwaiter {
  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> coroutine) const noexcept {
    CoroutineState& ended = coroutine.promise();
    if (ended.all_of == nullptr || --*ended.all_of == 0) ended.call->next = ended.awaited_by;
  }
  void await_resume() const noexcept {}
};

template <class T>
struct TaskPromiseBase : CoroutineState {
  Task<T> get_return_object() noexcept;
  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception = std::current_exception(); }

  /// Not overloads: the one message must come first.
  template <class A>
  auto await_transform(A&& awaited) {
    using Awaited = std::remove_cvref_t<A>;
    constexpr bool named = std::is_lvalue_reference_v<A>;
    if constexpr (is_ref<Awaited> || is_task<Awaited>) {
      static_assert(
          named,
          "manta: co_await takes a Ref or Task that has a name, because g++ 12 destroys temporaries of such an "
          "expression twice: auto ref = manta::remote<f>(x); auto value = co_await ref;");
      if constexpr (!named) {
        return std::suspend_never();
      } else if constexpr (is_ref<Awaited>) {
        return RefAwaiter<typename Awaited::value_type>(awaited);
      } else {
        return TaskAwaiter<typename Awaited::value_type>(awaited);
      }
    } else if constexpr (std::is_same_v<Awaited, SleepUntil>) {
      return TimeAwaiter(awaited.time);
    } else if constexpr (is_all_of<Awaited>) {
      return AllAwaiter(*awaited.tasks);
    } else if constexpr (std::is_same_v<Awaited, FirstOf>) {
      return AnyAwaiter(awaited.refs);
    } else {
      static_assert(named && !named,
                    "manta: in a function that returns manta::Task, co_await takes a manta::Ref, a manta::Task, "
                    "manta::sleep_for(time), manta::yield(), manta::when_any(...) or manta::when_all(...)");
      return std::suspend_never();
    }
  }
};

template <class T>
struct TaskPromise final : TaskPromiseBase<T> {
  template <class U = T>
  requires std::is_convertible_v<U&&, T>
  void return_value(U&& value) { result.emplace(std::forward<U>(value)); }
  std::optional<T> result;
};
template <>
struct TaskPromise<void> final : TaskPromiseBase<void> {
  void return_void() const noexcept {}
};

template <class T>
Task<T> TaskPromiseBase<T>::get_return_object() noexcept {
  auto& promise = static_cast<TaskPromise<T>&>(*this);
  this->handle = std::coroutine_handle<TaskPromise<T>>::from_promise(promise);
  return Task<T>(&promise);
}

/// A call of a task or method, with its decoded arguments.
template <class Callee, class T, class... Ps>
class StartedCall<Callee, T, Types<Ps...>> final : public CoroutineCall {
 public:
  explicit StartedCall(Arguments& arguments) : StartedCall(arguments, std::index_sequence_for<Ps...>()) {}
  CoroutineState& root() override { return *task_.promise_; }
  void finish(serial::Writer& result) override {
    encode_result(result, [&]() -> T { return task_.take(); });
  }

 private:
  template <std::size_t... I>
  StartedCall(Arguments& arguments, std::index_sequence<I...>)
      : values_{take_parameter<Ps>(arguments, transport_index<I, Ps...>)...} {
    if (arguments.values != nullptr) arguments.values->finish();
    task_ = Callee::call(arguments, pass_parameter<Ps>(std::get<I>(values_))...);
    if (!task_) throw_not_a_new_task(true);
  }
  std::tuple<Stored<Ps>...> values_;
  Task<T> task_;  // destroyed first
};

template <class Callee, class T, class... Ps>
struct CoroutineThunk<Callee, T, Types<Ps...>> {
  static void invoke(Arguments& arguments, serial::Writer& result) {
    CoroutineSlot* slot = arguments.coroutine;
    std::unique_ptr<CoroutineCall> call;
    if (slot != nullptr && slot->call != nullptr) {
      call = std::move(slot->call);
    } else {
      call = std::make_unique<StartedCall<Callee, T, Types<Ps...>>>(arguments);
      if (slot == nullptr || slot->resumer == nullptr) {
        run_to_end(*call);
      } else {
        call->start(*slot->resumer);
        if (!call->done()) {
          slot->call = std::move(call);
          return;
        }
      }
    }
    call->finish(result);
  }
};

template <class T>
class TaskRun final : public CoroutineCall {
 public:
  explicit TaskRun(Task<T> task) : task_(std::move(task)) { (void)task_.unstarted(); }
  CoroutineState& root() override { return *task_.promise_; }
  void finish(serial::Writer&) override {}
  T take() { return task_.take(); }

 private:
  Task<T> task_;
};

}  // namespace detail

template <class T>
detail::TaskPromise<T>& Task<T>::unstarted() const {
  if (promise_ == nullptr || promise_->call != nullptr) detail::throw_not_a_new_task(promise_ == nullptr);
  return *promise_;
}

/// The value, after which the frame is gone.
template <class T>
T Task<T>::take() {
  const Task ended(std::move(*this));
  if (ended.promise_->exception) std::rethrow_exception(ended.promise_->exception);
  if constexpr (!std::is_void_v<T>) return std::move(*ended.promise_->result);
}

/// co_await sleep_for(time): at least so long; other calls run meanwhile.
[[nodiscard]] inline detail::SleepUntil sleep_for(std::chrono::nanoseconds time) {
  return {detail::deadline_after(time)};
}
/// co_await yield(): goes on when everything else that is ready had its turn.
[[nodiscard]] inline detail::SleepUntil yield() { return {detail::Deadline::min()}; }

/// co_await when_all(tasks): starts them all, waits for all, and gives their values in order (std::vector<T>; nothing
/// for Task<void>). Throws the exception of the first that failed, after the last has ended. The vector must live on.
template <class T>
[[nodiscard]] detail::AllOf<T> when_all(std::vector<Task<T>>& tasks) {
  return {&tasks};
}
template <class T>
void when_all(std::vector<Task<T>>&&) = delete;  // give it a name: see Task

/// auto all = when_all(refs); auto values = co_await all: the values of all, in order; throws the error of the first
/// that failed.
template <class T>
Task<std::vector<T>> when_all(std::vector<Ref<T>> refs) {
  std::vector<T> values;
  values.reserve(refs.size());
  for (const Ref<T>& ref : refs) values.push_back(co_await ref);
  co_return values;
}
inline Task<void> when_all(std::vector<Ref<void>> refs) {
  for (const Ref<void>& ref : refs) co_await ref;
}

/// Runs a Task in the calling thread, to its end, and returns its value or throws what it threw: get(compute(3)).
/// Blocks. Outside of tasks too; in an actor's coroutine use co_await, which lets others run.
template <class T>
T get(Task<T> task) {
  detail::TaskRun<T> run(std::move(task));
  detail::run_to_end(run);
  return run.take();
}

}  // namespace manta
