// What torch is told in a worker.
#include <cstdint>
#include <mutex>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include <manta/detail/threads.h>
#include <manta/ids.h>
#include <manta/torch.h>

namespace manta::detail {

namespace {

// Not CUDA's generators: asking for them would start CUDA in every worker.
void seed(std::uint64_t worker) {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard guard(generator.mutex());
  generator.set_current_seed(mix64(generator.current_seed() ^ mix64(worker)));
}

}  // namespace

bool register_torch() {
  static const bool done = add_thread_setter(&at::set_num_threads) && add_worker_setup(&seed);
  return done;
}

}  // namespace manta::detail
