// Tasks that own GPUs run kernels on them, each seeing only its own. Skips (status 77) where no device is.
#include <cstdio>
#include <cstdlib>

#include <manta/manta.h>

#include "tests/core/gpu/gpu_tasks.h"

namespace {

int failures = 0;

void check(bool ok, const char* what) {
  std::printf("%s: %s\n", ok ? "ok" : "FAILED", what);
  failures += ok ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  if (runtime.num_gpus() < 1) {
    std::puts("skipped: this machine has no GPU");
    return 77;
  }
  const std::vector<int> values(100'000, 41);
  const auto sums = manta::get(manta::remote<add_one_on_device>.options({.num_gpus = 1})(values));
  check(sums == std::vector<int>(100'000, 42), "a task with a GPU runs a kernel on it");
  check(manta::get(manta::remote<devices_seen>.options({.num_gpus = 1})()) == 1, "it sees one device");
  check(manta::get(manta::remote<devices_seen>()) == 0, "a task without a GPU sees none");
  auto half = manta::remote<device_address>.options({.num_gpus = 0.5});
  auto first = half();
  auto second = half();
  check(manta::get(first) == manta::get(second), "two halves share one device");
  const double too_many = runtime.num_gpus() + 1;
  const auto refused = manta::try_get(manta::remote<devices_seen>.options({.num_gpus = too_many})());
  check(!refused && refused.error().code() == manta::ErrorCode::invalid_argument, "more than there are is refused");
  return failures == 0 ? 0 : 1;
}
