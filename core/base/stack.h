// How much of the calling thread's stack is used.
#pragma once

#include <pthread.h>

#include <cstddef>

namespace manta {

// Whether at most one part of so many is.
inline bool stack_used_at_most_one_of(std::ptrdiff_t parts) {
  struct Bounds {
    const char* low = nullptr;
    std::size_t size = 0;
    Bounds() {
      pthread_attr_t attributes;
      void* address = nullptr;
      if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return;
      ::pthread_attr_getstack(&attributes, &address, &size);
      ::pthread_attr_destroy(&attributes);
      low = static_cast<const char*>(address);
    }
  };
  thread_local const Bounds bounds;
  // Not a local's address: AddressSanitizer may keep those on a stack of its own.
  const auto* here = static_cast<const char*>(__builtin_frame_address(0));
  const auto size = static_cast<std::ptrdiff_t>(bounds.size);
  return bounds.low != nullptr && bounds.low + size - here <= size / parts;
}

}  // namespace manta
