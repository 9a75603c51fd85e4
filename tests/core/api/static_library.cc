// In a static library, linked with --gc-sections.
#include "tests/core/api/same_names.h"

namespace manta::testing {
namespace {

int function(int x) { return 300 + x; }  // a name that other files use too

}  // namespace

Ref<int> submit_from_static_library(int x) { return remote<function>(x); }
detail::FunctionId id_in_static_library() { return detail::Registration<function, ThisFile>::id; }

}  // namespace manta::testing
