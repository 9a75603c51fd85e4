#include "tests/e2e/program_run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string_view>

#include "tests/support/exec_self.h"

namespace manta::e2e {

ProgramRun run_program(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
                       std::chrono::milliseconds limit) {
  int out[2], err[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) std::abort();
  const ExecSelf program(arguments, environment);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(out[1], 1);
    ::dup2(err[1], 2);
    program.run();
  }
  ::close(out[1]);
  ::close(err[1]);
  ProgramRun run;
  run.process = child;
  const auto deadline = std::chrono::steady_clock::now() + limit;
  pollfd streams[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  std::vector<char> buffer(1 << 16);
  while (streams[0].fd >= 0 || streams[1].fd >= 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || ::poll(streams, 2, static_cast<int>(left.count())) <= 0) {
      run.in_time = false;
      ::kill(child, SIGKILL);
      break;
    }
    for (int i = 0; i < 2; ++i) {
      if (streams[i].fd < 0 || streams[i].revents == 0) continue;
      const ssize_t n = ::read(streams[i].fd, buffer.data(), buffer.size());
      if (n > 0) (i == 0 ? run.out : run.err).append(buffer.data(), static_cast<std::size_t>(n));
      if (n <= 0) streams[i].fd = -1;
    }
  }
  ::close(out[0]);
  ::close(err[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  run.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return run;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream all(text);
  for (std::string line; std::getline(all, line);) {
    constexpr std::string_view kPid = "pid=";
    for (std::size_t at = line.find(kPid); at != std::string::npos; at = line.find(kPid, at + 1)) {
      const std::size_t digits = at + kPid.size();
      const std::size_t end = std::min(line.find_first_not_of("0123456789", digits), line.size());
      if (end > digits) line.replace(digits, end - digits, "#");
    }
    lines.push_back(line);
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace manta::e2e
