#include "tests/e2e/leak_victim.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/outside.h"

namespace manta::e2e {

namespace {

// A process that user code starts and forgets. kind 0: as it is; 1: a daemon; 2: a daemon that keeps nothing.
int start_process(int kind) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  if (kind > 0) {
    ::setsid();
    if (::fork() != 0) ::_exit(0);
  }
  const char* argv[] = {"sleep", "1000", nullptr};
  char* nothing[] = {nullptr};
  if (kind == 2) ::close_range(0, ~0U, 0);
  ++outside()[kChildren];
  ::execve("/bin/sleep", const_cast<char**>(argv), kind == 2 ? nothing : environ);
  ::_exit(1);
}

std::vector<int> numbers(int n) { return std::vector<int>(static_cast<std::size_t>(n), n); }
int square(int x) { return x * x; }
int sum_of_squares(int n) {
  std::vector<Ref<int>> refs;
  for (int i = 0; i < n; ++i) refs.push_back(remote<square>(i));
  int sum = 0;
  for (auto& ref : refs) sum += get(ref);
  return sum;
}
int long_task(std::vector<int> large) {
  ++outside()[kStarts];
  outside()[kBusy] = ::getpid();
  await_cell(kGo, 1, std::chrono::seconds(60));
  return large.back();
}

bool all_right(std::vector<Ref<std::vector<int>>>& large, Ref<int>& running) {
  bool right = get(running) == 500'000;
  for (auto& ref : large) right = right && get(ref) == numbers(500'000);
  for (int i = 0; i < 20; ++i) right = right && get(remote<sum_of_squares>(10)) == 285;
  return right;
}

}  // namespace

int leak_victim(int argc, char** argv, const char* how) {
  auto runtime = init(argc, argv, {.num_cpus = 3, .num_gpus = 0});
  for (int kind = 0; kind < 3; ++kind) (void)get(remote<start_process>(kind));
  std::vector<Ref<std::vector<int>>> large{put(numbers(500'000))};
  for (int i = 0; i < 3; ++i) large.push_back(remote<numbers>(500'000));
  for (auto& ref : large) (void)get(ref);
  (void)get(remote<sum_of_squares>(10));
  auto running = remote<long_task>(large[0]);
  // Not for ever: all this may be killed before the task starts.
  const auto comes = [&](std::size_t cell, int value) {
    while (!running.ready() && !await_cell(cell, value, std::chrono::milliseconds(1))) {
    }
  };
  comes(kStarts, 1);
  comes(kChildren, 3);
  outside()[kReady] = 1;
  if (std::strcmp(how, "exit") == 0) std::exit(3);
  if (std::strcmp(how, "quick_exit") == 0) ::_exit(3);
  if (std::strcmp(how, "abort") == 0) std::abort();
  if (std::strcmp(how, "throw") == 0) throw std::runtime_error("of the victim, on purpose");
  if (std::strcmp(how, "fork") == 0) {
    const pid_t child = ::fork();  // has all of the driver's descriptors
    outside()[kOwnChild] = child != 0 ? child : ::getpid();
    if (child > 0) ::_exit(0);
    for (;;) ::pause();
  }
  try {
    outside()[kDone] = all_right(large, running) ? 1 : 2;
  } catch (const Error& error) {
    outside()[kError] = 1 + static_cast<int>(error.code());
  }
  return EXIT_SUCCESS;
}

}  // namespace manta::e2e
