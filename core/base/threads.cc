#include <manta/detail/exceptions.h>
#include <manta/detail/threads.h>

#include <array>
#include <cstddef>

extern "C" [[gnu::weak]] void omp_set_num_threads(int threads);

namespace manta::detail {

namespace {

// Filled while static variables are initialised, in any order: hence constant-initialised, and without a destructor.
template <class F>
struct Hooks {
  std::array<F, 8> functions{};
  std::size_t count = 0;
  bool add(F function) {
    if (count == functions.size()) return false;
    functions[count++] = function;
    return true;
  }
};
constinit Hooks<void (*)(int)> setters;
constinit Hooks<void (*)(std::uint64_t)> setups;
constinit Hooks<ExceptionReader> readers;

}  // namespace

bool add_thread_setter(void (*set)(int threads)) noexcept { return setters.add(set); }

void set_library_threads(int threads) noexcept {
  if (omp_set_num_threads != nullptr) omp_set_num_threads(threads);
  for (std::size_t i = 0; i < setters.count; ++i) setters.functions[i](threads);
}

bool add_worker_setup(void (*set_up)(std::uint64_t worker)) noexcept { return setups.add(set_up); }

void set_up_worker(std::uint64_t worker) noexcept {
  for (std::size_t i = 0; i < setups.count; ++i) setups.functions[i](worker);
}

bool add_exception_reader(ExceptionReader read) noexcept { return readers.add(read); }

std::string message_of(const std::exception& error) {
  std::string message;
  for (std::size_t i = 0; i < readers.count; ++i) {
    if (readers.functions[i](error, message)) return message;
  }
  return error.what() != nullptr ? error.what() : "";
}

}  // namespace manta::detail
