// A process that was forked, by fork() or daemon(), from one in which Manta runs. It has the memory of that one, and
// its connection to the node, but none of its threads: it can neither submit nor wait, and what it lets go is not its
// own. Everything that needs the runtime fails there with an error that says so; nothing of it reaches the parent.
#pragma once

#include <atomic>

namespace manta::client {

class Forked {
 public:
  // Whether this process is one.
  static bool here() { return here_.load(std::memory_order_relaxed); }
  // Throws Error(unavailable) if it is.
  static void check() {
    if (here()) throw_forked();
  }
  // From now on: children of this process that are forked while a runtime is alive in it.
  static void watch();

 private:
  static void in_child();
  [[noreturn]] static void throw_forked();

  static std::atomic<bool> here_;
};

}  // namespace manta::client
