#include "bench/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

extern char** environ;

namespace manta::bench {

namespace {

void close_fd(int& fd) {
  if (fd >= 0) ::close(std::exchange(fd, -1));
}

[[noreturn]] void fail_system(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

}  // namespace

Child::Child(const std::vector<std::string>& arguments, Output output) {
  int in[2] = {-1, -1};
  int out[2] = {-1, -1};
  if (::pipe2(in, O_CLOEXEC) != 0 || (output == Output::read && ::pipe2(out, O_CLOEXEC) != 0))
    fail_system(errno, "pipe");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  if (out[1] >= 0) ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int error = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  close_fd(in[0]);
  close_fd(out[1]);
  input_ = in[1];
  output_ = out[0];
  if (error != 0) {
    pid_ = 0;
    close_fd(input_);
    close_fd(output_);
    fail_system(error, "cannot run " + arguments[0]);
  }
}

Child::~Child() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  close_fd(input_);
  close_fd(output_);
}

std::string Child::read_all() {
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(output_, buffer, sizeof buffer)) != 0;) {
    if (n < 0 && errno != EINTR) break;
    if (n > 0) text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

std::string Child::read_line() {
  std::string text;
  for (char c = 0; c != '\n' && ::read(output_, &c, 1) == 1;) text.push_back(c);
  return text;
}

void Child::close_input() { close_fd(input_); }

std::string Child::wait() {
  close_input();
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  if (WIFSIGNALED(status)) return "ended by signal " + std::to_string(WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? "" : "exit status " + std::to_string(WEXITSTATUS(status));
}

std::string program_path() { return std::filesystem::read_symlink("/proc/self/exe"); }
std::string program_folder() { return std::filesystem::path(program_path()).parent_path(); }

std::string deps_folder() {
  const char* folder = std::getenv("MANTA_DEPS_DIR");
  return folder != nullptr ? folder : program_folder() + "/../../../.deps";
}

}  // namespace manta::bench
