#include <manta/detail/closure.h>

#include <pthread.h>

#include <cstdint>
#include <cstring>
#include <string>

#include <manta/error.h>

namespace manta::detail {

namespace {

// The highest address of the calling thread's stack; 0: unknown.
std::uintptr_t stack_top() {
  thread_local const std::uintptr_t top = [] {
    pthread_attr_t attributes;
    if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return std::uintptr_t{0};
    void* bottom = nullptr;
    std::size_t size = 0;
    const bool known = ::pthread_attr_getstack(&attributes, &bottom, &size) == 0;
    ::pthread_attr_destroy(&attributes);
    return known ? reinterpret_cast<std::uintptr_t>(bottom) + size : 0;
  }();
  return top;
}

}  // namespace

void refuse_stack_addresses(const void* bytes, std::size_t size, std::string_view name) {
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const std::uintptr_t top = stack_top();
  for (std::size_t at = 0; at + sizeof(std::uintptr_t) <= size; at += sizeof(std::uintptr_t)) {
    std::uintptr_t word = 0;
    std::memcpy(&word, static_cast<const std::byte*>(bytes) + at, sizeof word);
    if (word <= here || word >= top) continue;
    throw Error(
        ErrorCode::invalid_argument,
        "the lambda " + std::string(name) +
            ", given to manta::remote<>, captures the address of a local variable (by reference, as a pointer, or "
            "as `this`), which means nothing in another process: capture a copy, or pass it as an argument");
  }
}

}  // namespace manta::detail
