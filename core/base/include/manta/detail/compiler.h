/// What Manta requires of the compiler. Where it is missing, the first error names it.
#pragma once

#if __cplusplus < 202002L
#error "manta: C++20 is needed: compile with -std=c++20"
#endif
#ifndef __GXX_RTTI
#error "manta: run-time type information is needed (errors name the type that was thrown): compile without -fno-rtti"
#endif
#ifndef __cpp_exceptions
#error "manta: exceptions are needed (get() throws a task's error): compile without -fno-exceptions"
#endif

/// Around functions that every program calls. Where the program's standard library is laid out otherwise than the one
/// that Manta was compiled with, the linker misses manta::..._in_program_and_manta::init, instead of nothing.
#if defined(_GLIBCXX_DEBUG)
#define MANTA_LAYOUT_BEGIN inline namespace _GLIBCXX_DEBUG_must_be_the_same_in_program_and_manta {
#define MANTA_LAYOUT_END }
#elif defined(_GLIBCXX_USE_CXX11_ABI) && !_GLIBCXX_USE_CXX11_ABI
#define MANTA_LAYOUT_BEGIN inline namespace _GLIBCXX_USE_CXX11_ABI_must_be_the_same_in_program_and_manta {
#define MANTA_LAYOUT_END }
#else
#define MANTA_LAYOUT_BEGIN
#define MANTA_LAYOUT_END
#endif

/// For functions that catch abi::__forced_unwind (pthread_exit, cancellation), whose handler gets no object: the
/// undefined behaviour sanitizer would take that for a null reference.
#define MANTA_CATCHES_FORCED_UNWIND __attribute__((no_sanitize("null")))
