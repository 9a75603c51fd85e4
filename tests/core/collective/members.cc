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

#include "tests/core/collective/in_process_transport.h"

namespace manta::collective {

std::string_view to_string(Kind kind) {
  static constexpr std::string_view kNames[] = {"Threads", "Processes", "InProcess"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::unique_ptr<Group> join(Kind kind, const Rendezvous& rendezvous) {
  if (kind != Kind::in_process) return Group::join(rendezvous);
  return std::make_unique<Group>(join_in_process(rendezvous));
}

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
    const auto run = [kind, rendezvous, &body] {
      run_guarded(rendezvous.rank, [&] {
        const auto group = join(kind, rendezvous);
        body(*group);
      });
    };
    if (kind == Kind::processes) {
      processes.push_back(std::make_unique<Process>(run));
    } else {
      threads.emplace_back(run);
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
