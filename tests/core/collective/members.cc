#include "tests/core/collective/members.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <thread>

namespace manta::collective {

void run_guarded(int rank, const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "rank " << rank << ": " << error.what();
  }
}

void run_group(Kind kind, int size, const Body& body, std::chrono::milliseconds timeout) {
  const std::string name = new_name();
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<Process>> processes;
  for (int rank = size - 1; rank >= 0; --rank) {
    const Rendezvous rendezvous{.name = name, .rank = rank, .size = size, .timeout = timeout};
    const auto run = [rendezvous, &body] {
      run_guarded(rendezvous.rank, [&] {
        const auto group = Group::join(rendezvous);
        body(*group);
      });
    };
    if (kind == Kind::threads) {
      threads.emplace_back(run);
    } else {
      processes.push_back(std::make_unique<Process>(run));
    }
  }
  for (auto& thread : threads) thread.join();
  for (auto& process : processes) EXPECT_TRUE(process->succeeded());
}

std::string error_of(ErrorCode code, const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.message();
  }
  ADD_FAILURE() << "nothing was thrown; expected was " << to_string(code);
  return {};
}

Process::Process(const std::function<void()>& body) : pid_(::fork()) {
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  body();
  std::fflush(stdout);
  std::fflush(stderr);
  ::_exit(::testing::Test::HasFailure() ? 1 : 0);
}

Process::~Process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool Process::succeeded() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace manta::collective
