// The numeric libraries of a task use as many threads as its lease has CPUs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include <manta/detail/threads.h>

namespace manta::worker {

// For what the calling thread runs next. cpus: ten-thousandths.
inline void use_cpus(std::uint32_t cpus) {
  thread_local std::optional<std::uint32_t> known;  // empty: a new thread has the libraries' defaults, all CPUs
  if (cpus == known) return;
  known = cpus;
  detail::set_library_threads(std::max(1, static_cast<int>(cpus / 10'000)));
}

}  // namespace manta::worker
