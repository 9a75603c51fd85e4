// SIGINT and SIGTERM of a program that serves.
#pragma once

namespace manta::serve {

// While one exists: the first SIGINT or SIGTERM ends wait(), the second ends the program at once, as if nothing had
// been set for it. Several may exist; the destructor of the last puts back what was set before.
//
// Threading: any; wait() blocks. Ownership: of the process's signal handling while it lives.
class StopSignals {
 public:
  // another: a signal that wait() returns, too, any number of times; 0: none. One for the process.
  explicit StopSignals(int another = 0);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;

  // The signal that came; 0: wake() was called.
  int wait();
  // Ends wait() of this object, now or when it is called.
  void wake();

 private:
  const int woken_;  // an event
};

}  // namespace manta::serve
