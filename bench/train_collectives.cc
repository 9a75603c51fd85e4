// Train: all_reduce between two plain processes, as peers measure theirs: a barrier, then one call after the other. The
// figure is the tensor's bytes by the time of a call.
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <manta/collective.h>

#include "bench/areas.h"

namespace manta::bench {

namespace {

constexpr std::string_view kSmall = "manta all_reduce 1 KB, 2 processes";
constexpr std::string_view kMiddle = "manta all_reduce 1 MB, 2 processes";
constexpr std::string_view kLarge = "manta all_reduce 64 MB, 2 processes";

// Six runs, of which the first is not counted.
std::vector<Run> all_reduce_runs(collective::Group& group, std::size_t count, int calls) {
  std::vector<float> values(count, 1.0F);
  std::vector<Run> runs;
  for (int repetition = 0; repetition <= Harness::kRuns; ++repetition) {
    group.barrier();
    const Stopwatch watch;
    for (int i = 0; i < calls; ++i) {
      group.all_reduce(values.data(), count, collective::DataType::f32, collective::Reduction::sum);
      if (count < 1000) {
        for (float& value : values) value *= 0.5F;  // else it overflows
      }
    }
    const double seconds = watch.seconds() / calls;
    if (count < 1000) check(values[count / 2] == 1.0F, "all_reduce");
    if (repetition > 0) runs.push_back(watch.stop(static_cast<double>(count * sizeof(float)) / seconds / 1e9, false));
    values.assign(count, 1.0F);
  }
  return runs;
}

void all_reduce(Harness& harness, std::string_view name, std::size_t count, int calls) {
  if (harness.settings().spin_us) ::setenv("MANTA_SPIN_US", std::to_string(*harness.settings().spin_us).c_str(), 1);
  collective::Rendezvous rendezvous{.name = collective::new_name(), .rank = 0, .size = 2};
  const pid_t other = ::fork();
  if (other == 0) rendezvous.rank = 1;
  if (other == 0) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    const auto group = collective::Group::join(rendezvous);
    const std::vector<Run> runs = all_reduce_runs(*group, count, calls);
    group->barrier();
    if (other == 0) ::_exit(0);
    const double bytes = static_cast<double>(count * sizeof(float));
    harness.emit(name, "GB/s", runs, {{"us", bytes / median_value(runs) / 1e3}});
  } catch (const std::exception& error) {
    if (other != 0) throw;
    std::fprintf(stderr, "rank 1: %s\n", error.what());
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(other, &status, 0);
  check(status == 0, "rank 1 failed");
}

}  // namespace

std::vector<Case> collective_cases() {
  return {
      {{kSmall}, [](Harness& harness) { all_reduce(harness, kSmall, 256, 2000); }, true},
      {{kMiddle}, [](Harness& harness) { all_reduce(harness, kMiddle, 1 << 18, 300); }, true},
      {{kLarge}, [](Harness& harness) { all_reduce(harness, kLarge, 1 << 24, 8); }, true},
  };
}

}  // namespace manta::bench
