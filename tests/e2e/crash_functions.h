// Functions that crash, in a file that has line numbers.
#pragma once

namespace manta::e2e {

int reads_null(int* null);
int divides(int by);
int calls(int (*function)());
int overflows(int depth);
[[noreturn]] void gives_up(const char* text);

inline constexpr int kLineOfReadsNull = 8;

}  // namespace manta::e2e
