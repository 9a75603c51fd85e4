// SIGINT and SIGTERM while a study runs.
#pragma once

#include <signal.h>

#include <utility>
#include <vector>

namespace manta::tune::detail {

// While it lives, the first of these signals is counted, the second one does what it does by default. A signal that is
// ignored stays so. Where several studies run at once, all see the signal.
//
// Threading: create and destroy it in one thread. Ownership: it gives the earlier handlers back. Errors: none.
class Signals {
 public:
  // descriptor: an eventfd that is written to.
  explicit Signals(int descriptor);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // The signal that came; 0: none.
  int received() const;

 private:
  std::vector<std::pair<int, struct sigaction>> before_;
};

}  // namespace manta::tune::detail
