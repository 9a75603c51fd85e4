// How coroutines are resumed. Not for users: everything here may change.
//
// Nothing resumes anything directly: a coroutine that hands over (to a child it awaits, to the one that awaits it) says
// so in its call and returns to resume(). So the depth of awaits costs no stack, also where the compiler makes no tail
// calls (g++ 12 does below -O2 and under sanitizers).
//
// Threading: a call belongs to the thread that started it; all its coroutines run there.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <utility>

#include <manta/detail/runtime_api.h>

namespace manta::serial {
class Writer;
}

namespace manta::detail {

class CoroutineCall;
class Resumer;

// The part of a promise that does not depend on the result's type.
struct CoroutineState {
  std::coroutine_handle<> handle;
  CoroutineCall* call = nullptr;         // as part of which it runs; null: not started
  CoroutineState* awaited_by = nullptr;  // goes on when this one has ended
  std::size_t* all_of = nullptr;         // counts those that awaited_by awaits together
  std::exception_ptr exception;
};

// One suspended co_await of an object or a point in time, in the frame of the coroutine that waits.
struct Await {
  enum class On : unsigned char { nothing, object, time, ready };
  CoroutineState* coroutine = nullptr;
  EntryHead* entry = nullptr;
  Resumer* resumer = nullptr;
  Await* next = nullptr;
  On on = On::nothing;   // the resumer's
  bool waiting = false;  // the coroutine's thread's
};

// Decides when suspended coroutines go on. Each await is given back once, by being resumed or forgotten.
class Resumer {
 public:
  virtual ~Resumer() = default;
  // When await.entry is resolved. False: it is, do not suspend.
  virtual bool wait_for(Await& await) = 0;
  // At that time; one in the past: after whatever else is ready.
  virtual void wait_until(Await& await, Deadline time) = 0;
  // Its frame is being destroyed.
  virtual void forget(Await& await) noexcept = 0;
};

// A call of a coroutine: the root and whatever it awaits. Its end destroys the frames, wherever they wait.
class CoroutineCall {
 public:
  CoroutineCall() = default;
  virtual ~CoroutineCall() = default;
  CoroutineCall(const CoroutineCall&) = delete;
  CoroutineCall& operator=(const CoroutineCall&) = delete;

  virtual CoroutineState& root() = 0;
  // Encodes the value of one that is done; throws what the coroutine threw.
  virtual void finish(serial::Writer& result) = 0;

  bool done() { return root().handle.done(); }
  void start(Resumer& by);

  Resumer* resumer = nullptr;
  CoroutineState* next = nullptr;  // to be resumed when the one that runs returns
  void* user = nullptr;            // the resumer's
};

// Runs the coroutine, and those to which it hands over, until they wait or end.
inline void resume(CoroutineState& first) {
  CoroutineCall& call = *first.call;
  call.next = &first;
  while (CoroutineState* now = std::exchange(call.next, nullptr)) now->handle.resume();
}

inline void resume(Await& await) {
  await.on = Await::On::nothing;
  await.waiting = false;
  resume(*await.coroutine);
}

inline void CoroutineCall::start(Resumer& by) {
  resumer = &by;
  CoroutineState& first = root();
  first.call = this;
  resume(first);
}

// Runs it to its end in the calling thread, which blocks where all its coroutines wait.
void run_to_end(CoroutineCall& call);

// Where a call is left that waits, instead of blocking the thread.
struct CoroutineSlot {
  Resumer* resumer = nullptr;           // null: block
  std::unique_ptr<CoroutineCall> call;  // suspended; or done, to be finished
};

}  // namespace manta::detail
