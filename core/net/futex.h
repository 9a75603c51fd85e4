// Sleeping on a word of memory that processes share, and waking the threads that sleep there.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace manta::net {

void futex_wake_all(std::atomic<std::uint32_t>& word) noexcept;

// Sleeps while the word is as expected. 0, or the errno: EAGAIN, EINTR, ETIMEDOUT.
int futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected,
               std::chrono::steady_clock::time_point deadline) noexcept;

}  // namespace manta::net
