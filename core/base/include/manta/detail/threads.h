// What a worker sets in numerical libraries: thread counts, per task to the CPUs that it holds, and the seeds of their
// random numbers.
#pragma once

#include <cstdint>

namespace manta::detail {

// Registers a function that sets a library's number of threads (manta::torch does). Call before init, at most 8 times.
bool add_thread_setter(void (*set)(int threads)) noexcept;
// OpenMP, if the program links it, and the registered libraries.
void set_library_threads(int threads) noexcept;

// Registers a function that each new worker calls once, before its first task, with a number that no other worker of
// the run has (manta::torch seeds its generator). Call before init, at most 8 times.
bool add_worker_setup(void (*set_up)(std::uint64_t worker)) noexcept;
void set_up_worker(std::uint64_t worker) noexcept;

}  // namespace manta::detail
