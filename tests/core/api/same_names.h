// Two files with the same names in their anonymous namespaces, and functions of a header that both use.
#pragma once

#include <vector>

#include <manta/manta.h>

namespace manta::testing {

// What each of the file's functions, given 1, returned as a task; all are different from the other file's.
std::vector<int> results_of_a();
std::vector<int> results_of_b();
// The ids of the header's functions as that file registered them.
std::vector<detail::FunctionId> shared_ids_of_a();
std::vector<detail::FunctionId> shared_ids_of_b();
// In a static library of its own.
Ref<int> submit_from_static_library(int x);
detail::FunctionId id_in_static_library();

inline int shared_increment(int x) { return x + 1; }
template <class T>
T shared_template(T x) {
  return x + 2;
}

}  // namespace manta::testing
