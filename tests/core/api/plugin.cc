// A library for dlopen. MANTA_PLUGIN_BASE tells builds of it apart.
#include "tests/core/api/same_names.h"

namespace manta::testing {
namespace {

int function(int x) { return MANTA_PLUGIN_BASE + x; }

}  // namespace
}  // namespace manta::testing

// Runs its function as a task, and the header's, which the program has too.
extern "C" int plugin_run(int x) {
  using namespace manta;
  return get(remote<testing::function>(x)) + get(remote<testing::shared_increment>(0));
}
extern "C" std::uint64_t plugin_id() {
  using namespace manta;
  return detail::Registration<testing::function, ThisFile>::id.value;
}
