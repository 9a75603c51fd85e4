// What a worker sets in torch, and what torch reports to Manta.
#include <cstdint>
#include <mutex>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

#include <manta/detail/exceptions.h>
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

// The message without the frames of the stack.
bool read_exception(const std::exception& error, std::string& message) {
  const auto* torchs = dynamic_cast<const c10::Error*>(&error);
  if (torchs == nullptr) return false;
  message = torchs->what_without_backtrace();
  return true;
}

}  // namespace

bool register_torch() {
  static const bool done =
      add_thread_setter(&at::set_num_threads) && add_worker_setup(&seed) && add_exception_reader(&read_exception);
  return done;
}

}  // namespace manta::detail
