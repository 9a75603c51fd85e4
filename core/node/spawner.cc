#include "core/node/spawner.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/net/messages.h"
#include "core/net/packed.h"
#include "core/settings/environment.h"

namespace manta::node {

namespace {

std::vector<std::string> command_line() {
  std::vector<std::string> words;
  Fd file(::open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC));
  std::string all;
  char chunk[4096];
  for (ssize_t n; (n = ::read(file.get(), chunk, sizeof chunk)) > 0;) all.append(chunk, static_cast<std::size_t>(n));
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find('\0', at), all.size());
    words.push_back(all.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

template <class F>
void for_each_variable(const std::string& env, const F& f) {  // f(name, value)
  for (std::size_t at = 0; at < env.size();) {
    const std::string variable = env.c_str() + at;
    at += variable.size() + 1;
    const std::size_t equals = variable.find('=');
    if (equals != std::string::npos && equals > 0) f(variable.substr(0, equals), variable.substr(equals + 1));
  }
}

// In the zygote's grandchild-to-be: waits until the node process is the parent, then becomes a worker.
[[noreturn]] void become_worker(const WorkerStart& start, std::vector<Fd> descriptors, pid_t intermediate,
                                const WorkerMain& main) {
  while (::getppid() == intermediate) ::sched_yield();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != start.node_process) ::_exit(0);
  ::setpgid(0, 0);
  ::prctl(PR_SET_NAME, "manta-worker");
  settings::set_variable("CUDA_VISIBLE_DEVICES", start.cuda_visible_devices);
  for_each_variable(start.env, &settings::set_variable);
  for (int i = 2; i >= 1 && descriptors.size() == 3; --i) ::dup2(descriptors[static_cast<std::size_t>(i)].get(), i);
  Fd control = std::move(descriptors[0]);
  descriptors.clear();
  main(std::move(control));
  ::_exit(0);
}

// To the node, over the end of the worker's socket that the worker would have had. False: no process could be forked.
pid_t fork_or_say_why(const std::vector<Fd>& descriptors) {
  const pid_t child = ::fork();
  if (child >= 0) return child;
  const int error = errno;
  std::string why = std::string("fork failed: ") + std::strerror(error) + limit_advice(error);
  net::ControlSocket worker{Fd(::fcntl(descriptors[0].get(), F_DUPFD_CLOEXEC, 0))};
  (void)worker.send(
      net::encode(net::ClientMessage(net::WorkerCannotStart{std::move(why)})));  // else its end tells less
  return child;
}

[[noreturn]] void run_zygote(net::ControlSocket node, const WorkerMain& main) {
  for (;;) {
    auto packet = node.receive();
    if (!packet) ::_exit(0);  // the node process is gone
    WorkerStart start;
    try {
      start = net::unpack<WorkerStart>(packet->bytes);
    } catch (const Error&) {
      continue;
    }
    if (packet->descriptors.size() != 1 && packet->descriptors.size() != 3) continue;
    const pid_t child = fork_or_say_why(packet->descriptors);
    if (child == 0) {
      Fd(node.fd()).reset();
      const pid_t intermediate = ::getpid();
      const pid_t worker = fork_or_say_why(packet->descriptors);
      if (worker != 0) ::_exit(worker < 0 ? 1 : 0);
      become_worker(start, std::move(packet->descriptors), intermediate, main);
    }
    // On failure the control socket closes with the packet, which tells the daemon.
    if (child > 0) ::waitpid(child, nullptr, 0);
  }
}

}  // namespace

std::vector<int> open_descriptors() {
  std::vector<int> open;
  DIR* dir = ::opendir("/proc/self/fd");
  if (dir == nullptr) return open;
  while (const dirent* entry = ::readdir(dir)) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != ::dirfd(dir)) open.push_back(fd);
  }
  ::closedir(dir);
  std::sort(open.begin(), open.end());
  return open;
}

void enter_child_process(pid_t parent, const std::vector<int>& keep, int also_keep, const char* name) {
  if (parent != 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);
  }
  for (int signal = 1; signal < NSIG; ++signal) {
    if (signal != SIGKILL && signal != SIGSTOP) ::signal(signal, SIG_DFL);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setpgid(0, 0);
  ::prctl(PR_SET_NAME, name);
  for (const int fd : open_descriptors()) {
    if (fd > 2 && fd != also_keep && !std::binary_search(keep.begin(), keep.end(), fd)) ::close(fd);
  }
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null >= 0) {
    ::dup2(null, 0);
    ::close(null);
  }
}

Result<pid_t> execute_again(const std::string& role, int descriptor, const std::vector<int>& keep,
                            const WorkerStart* worker, const std::array<Fd, 2>& output) {
  std::vector<std::string> words = command_line();
  std::vector<std::string> variables;
  for (char** e = settings::variables(); *e != nullptr; ++e) {
    const std::string_view variable(*e);
    const bool replaced = worker != nullptr && variable.starts_with("CUDA_VISIBLE_DEVICES=");
    if (!replaced && !variable.starts_with(std::string(kRoleVariable) + "=")) {
      variables.emplace_back(variable);
    }
  }
  // The child's descriptor: the lowest number that is free there, which the limit of descriptors allows; dup2 clears
  // close-on-exec.
  int number = 3;
  while (std::find(keep.begin(), keep.end(), number) != keep.end()) ++number;
  variables.push_back(std::string(kRoleVariable) + "=" + role + ":" + std::to_string(number));
  if (worker != nullptr) variables.push_back("CUDA_VISIBLE_DEVICES=" + worker->cuda_visible_devices);
  for_each_variable(worker != nullptr ? worker->env : "", [&](const std::string& name, const std::string& value) {
    std::erase_if(variables, [&](const std::string& variable) { return variable.starts_with(name + "="); });
    variables.push_back(name + "=" + value);
  });
  const auto pointers = [](std::vector<std::string>& strings) {
    std::vector<char*> p;
    for (std::string& s : strings) p.push_back(s.data());
    p.push_back(nullptr);
    return p;
  };
  std::vector<char*> argv = pointers(words), envp = pointers(variables);

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int refused = ::posix_spawn_file_actions_init(&actions);
  const auto add = [&](int status) { refused = refused != 0 ? refused : status; };
  add(::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0));
  for (int i = 1; i <= 2; ++i) {  // before that number, which may be one of them
    const Fd& end = output[static_cast<std::size_t>(i) - 1];
    if (end) add(::posix_spawn_file_actions_adddup2(&actions, end.get(), i));
  }
  add(::posix_spawn_file_actions_adddup2(&actions, descriptor, number));
  ::posix_spawnattr_init(&attributes);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t child = 0;
  const int error =
      refused != 0 ? refused : ::posix_spawn(&child, "/proc/self/exe", &actions, &attributes, argv.data(), envp.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return fail(ErrorCode::exhausted,
                "cannot start a " + role + " process: " + std::strerror(error) + limit_advice(error));
  }
  return child;
}

Spawner::Spawner(SpawnMode mode, WorkerMain worker_main, std::vector<int> keep)
    : mode_(mode), worker_main_(std::move(worker_main)), keep_(std::move(keep)) {
  std::sort(keep_.begin(), keep_.end());
}

Spawner::~Spawner() {
  if (zygote_ > 0) ::kill(zygote_, SIGKILL);
}

Result<void> Spawner::start() {
  if (mode_ == SpawnMode::exec) return {};
  auto pair = net::ControlSocket::pair();
  if (!pair) return tl::unexpected<Error>(pair.error());
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return fail(ErrorCode::exhausted, std::string("cannot fork the zygote: ") + std::strerror(errno));
  if (child == 0) {
    enter_child_process(parent, keep_, pair->second.fd(), "manta-zygote");
    run_zygote(std::move(pair->second), worker_main_);
  }
  zygote_ = child;
  ++zygotes_;
  to_zygote_ = std::move(pair->first);
  return {};
}

Result<pid_t> Spawner::spawn(const WorkerStart& start, const net::ControlSocket& control,
                             const std::array<Fd, 2>& output) {
  if (mode_ == SpawnMode::exec) return execute_again("worker", control.fd(), keep_, &start, output);
  replace_if_dead();
  const int descriptors[] = {control.fd(), output[0].get(), output[1].get()};
  auto sent = to_zygote_.send(net::pack(start), {descriptors, output[1] ? 3u : 1u});
  if (!sent) return tl::unexpected<Error>(sent.error());
  return 0;
}

bool Spawner::child_ended(pid_t pid) {
  if (replaced_.erase(pid) > 0) return true;
  if (pid != zygote_ || zygote_ == 0) return false;
  zygote_ = 0;
  log::warn("the zygote, process ", pid, ", has ended; another one is forked");
  (void)start();
  return true;
}

std::uint32_t Spawner::zygotes() {
  replace_if_dead();
  return zygotes_;
}

void Spawner::replace_if_dead() {
  if (mode_ == SpawnMode::exec) return;
  pollfd peer{to_zygote_.fd(), 0, 0};
  if (zygote_ != 0 && (::poll(&peer, 1, 0) != 1 || (peer.revents & POLLHUP) == 0)) return;
  if (zygote_ != 0) replaced_.insert(zygote_);
  zygote_ = 0;
  (void)start();  // if it fails, so does the next send
}

}  // namespace manta::node
