#include "serve/router/liveness.h"

#include <algorithm>

namespace manta::serve {

bool Liveness::hangs(std::uint64_t beats, Time now, const Limits& limits) {
  const std::chrono::nanoseconds since = looked_ ? now - *looked_ : std::chrono::nanoseconds(0);
  looked_ = now;
  if (beats != beats_) {
    beats_ = beats;
    silent_ = {};
    return false;
  }
  silent_ += std::min<std::chrono::nanoseconds>(since, 2 * limits.period);
  if (silent_ < limits.timeout) return false;
  restarted();
  return true;
}

void Liveness::restarted() {
  looked_.reset();
  silent_ = {};
}

}  // namespace manta::serve
