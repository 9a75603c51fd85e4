// The life of a node process around its Daemon: the guard, the limits, and the end of all that is below.
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "core/base/log.h"
#include "core/net/packed.h"
#include "core/node/container.h"
#include "core/node/daemon.h"
#include "core/settings/log_level.h"

namespace manta::node {

namespace {

// Everything below this process, found by asking the kernel; user code may have started processes of its own.
std::vector<pid_t> children_of_this_process() {
  std::vector<pid_t> children;
  std::ifstream file("/proc/self/task/" + std::to_string(::getpid()) + "/children");
  for (pid_t pid; file >> pid;) children.push_back(pid);
  return children;
}

// NODE-1. Orphans of what is killed here become children of this process (subreaper), so the loop ends with nothing.
void end_children() {
  for (;;) {
    for (const pid_t child : children_of_this_process()) {
      ::kill(-child, SIGKILL);
      ::kill(child, SIGKILL);
    }
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, 0);
    if (ended < 0 && errno == ECHILD) return;
    if (ended > 0) ::kill(-ended, SIGKILL);
  }
}

// NODE-4. The caller stays as the guard; the node process goes on in a child, with the guard's pid (0: there is none).
pid_t go_on_below_a_guard() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t guard = ::getpid();
  const pid_t node = ::fork();
  if (node < 0) return 0;  // cleans up less
  if (node == 0) {
    ::setpgid(0, 0);
    return guard;
  }
  ::prctl(PR_SET_NAME, "manta-guard");
  for (const int fd : open_descriptors()) {
    if (fd > 2) ::close(fd);  // among them the driver's socket: its end must tell of the node process' end
  }
  int status = 0;
  while (::waitpid(node, &status, 0) < 0 && errno == EINTR) {
  }
  end_children();
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

}  // namespace

namespace {

// answer: the driver's socket, while the driver waits for the first message; it then says so.
[[noreturn]] void cannot_go_on(Fd answer, const Error& error) {
  bool notified = false;
  if (answer) {
    net::ControlSocket driver(std::move(answer));
    notified = driver
                   .send(net::encode(
                       net::NodeMessage(net::CannotStart{static_cast<std::uint8_t>(error.code()), error.what()})))
                   .has_value();
  }
  if (!notified) log::error("the node process cannot go on: ", error.what());
  end_children();
  ::_exit(1);
}

}  // namespace

void run_node_process(Fd driver, pid_t driver_process, WorkerMain worker_main, std::vector<int> keep) {
  const pid_t guard = go_on_below_a_guard();
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_NAME, "manta-node");
  log::name_process("node");
  settings::read_log_level_or_warn();
  rlimit files = {};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {  // two descriptors for each of up to thousands of processes
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  net::ControlSocket socket(std::move(driver));
  Fd answer(::fcntl(socket.fd(), F_DUPFD_CLOEXEC, 3));
  try {
    auto packet = socket.receive();
    if (!packet) ::_exit(0);
    auto config = net::unpack<NodeConfig>(packet->bytes);
    auto spawner = std::make_unique<Spawner>(config.exec_workers ? SpawnMode::exec : SpawnMode::fork,
                                             std::move(worker_main), std::move(keep));
    auto started = spawner->start();
    if (!started) throw_error(started.error());
    if (!config.join.empty()) answer.reset();  // the launcher reads nothing
    Daemon daemon(std::move(config), std::move(socket), std::move(spawner));
    answer.reset();
    daemon.end_with(driver_process);  // its socket alone could be kept open by a child that the program forked
    daemon.end_with(guard);
    daemon.run();
    end_children();
    ::_exit(daemon.exit_status());
  } catch (const Error& error) {
    cannot_go_on(std::move(answer), error);
  } catch (const std::exception& error) {
    cannot_go_on(std::move(answer), Error(ErrorCode::exhausted, error.what()));
  }
}

}  // namespace manta::node
