// Processes below the daemon: their start, their ends, and the end of everything.
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

#include <boost/asio/post.hpp>

#include "core/base/log.h"
#include "core/net/packed.h"
#include "core/node/container.h"
#include "core/node/daemon.h"
#include "core/node/daemon_client.h"
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

std::string describe_exit(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    const char* name = ::sigabbrev_np(signal);
    std::string text = "was killed by signal " + std::to_string(signal);
    if (name != nullptr) text += " (SIG" + std::string(name) + ")";
    return text;
  }
  return "exited with status " + std::to_string(WEXITSTATUS(wait_status));
}

void Daemon::start_worker(ClientId worker, const std::vector<sched::GpuShare>& gpus, const std::string& env) {
  // Answers come as events of their own, since the scheduler calls this. The end of the socket may come before them.
  const auto failed = [this, worker](const Error& error) {
    std::string status = std::string("could not be started: ") + error.what();
    if (Client* client = find(worker); client != nullptr) client->start_error = status;
    boost::asio::post(io_, [this, worker, status = std::move(status)] { client_gone(worker, status); });
  };
  auto pair = net::ControlSocket::pair();
  if (!pair) return failed(pair.error());
  auto client = add_client(worker, std::move(pair->first));
  if (!client) return failed(client.error());
  WorkerStart start;
  start.node_process = ::getpid();
  start.env = env;
  for (const sched::GpuShare& gpu : gpus) {
    const bool named = gpu.index < config_.gpu_names.size();
    start.cuda_visible_devices += (start.cuda_visible_devices.empty() ? "" : ",");
    start.cuda_visible_devices += named ? config_.gpu_names[gpu.index] : std::to_string(gpu.index);
  }
  (*client)->gpus = gpus;
  (*client)->env = env;
  welcome(**client);
  (*client)->zygotes = spawner_->zygotes();
  const std::array<Fd, 2> output = outputs_ ? outputs_->open(worker) : std::array<Fd, 2>();
  auto spawned = spawner_->spawn(start, pair->second, output);
  if (!spawned) return failed(spawned.error());
  if (outputs_) outputs_->started(worker, *spawned);
}

// For a worker that ended before its Hello: asks the next zygote for it, if the one that was asked is dead.
bool Daemon::start_again(const Client& client) {
  if (client.zygotes == spawner_->zygotes()) return false;
  const ClientId id = client.id;
  const std::vector<sched::GpuShare> gpus = client.gpus;
  const std::string env = client.env;
  free_slots_.insert(free_slots_.begin(), client.slot);
  clients_.erase(id);
  pressure_.queued(id, 0);
  start_worker(id, gpus, env);
  return true;
}

void Daemon::handle_hello(Client& client, const net::Hello& hello) {
  if (client.greeted) return;
  client.process = static_cast<pid_t>(hello.process);
  client.greeted = true;
  if (client.id == driver_) return;
  if (outputs_) outputs_->started(client.id, client.process);
  const auto early = ended_early_.find(client.process);
  if (early != ended_early_.end()) {
    const std::string status = early->second;
    ended_early_.erase(early);
    client_gone(client.id, status);
    return;
  }
  by_process_[client.process] = client.id;
  log::debug("worker process ", client.process, " is ready");
  client_started(client.id);
  scheduler_.worker_started(client.id, now());
}

void Daemon::kill_worker(ClientId worker) {
  Client* client = find(worker);
  if (client == nullptr || client->ended) return;
  if (client->process > 0) {
    client->killed = true;
    ::kill(client->process, SIGKILL);
  } else {
    client->closed = true;  // it ends when it greets
    boost::asio::post(io_, [this, worker] { client_gone(worker, "ended before it was ready"); });
  }
}

// The process closed its end: it is ending, or damaged. Its exit status follows with SIGCHLD.
void Daemon::socket_closed(Client& client) {
  if (client.closed) return;
  client.closed = true;
  client.events.cancel();
  if (client.id == driver_) {
    stop();
  } else if (client.process > 0) {
    ::kill(client.process, SIGKILL);
    reap();
  } else if (!start_again(client)) {
    client_gone(client.id, client.start_error.empty() ? "ended before it was ready" : std::string(client.start_error));
  }
}

void Daemon::client_gone(ClientId id, const std::string& how) {
  const auto for_memory = ended_for_memory_.extract(id);
  std::string status = for_memory.empty() ? how : for_memory.mapped();
  Client* client = find(id);
  const bool greeted = client != nullptr && client->greeted;
  if (client != nullptr) {
    read_last(*client);
    if (!client->start_error.empty()) status = client->start_error;
    if (!client->ended) log::info("worker process ", client->process, " ", status);
    if (client->process > 0) by_process_.erase(client->process);
    if (outputs_) outputs_->worker_gone(id);
    net::ClientSlot& slot = page_->slots[client->slot];
    slot.untimed = false;
    // Its blocks stay readable for the processes that refer to them; new objects need not wait for them.
    const std::uint64_t used = slot.store.used_bytes.exchange(0);
    page_->store.used_bytes.fetch_sub(used);
    page_->store.warm_bytes.fetch_sub(slot.store.warm_bytes.exchange(0));
    free_slots_.insert(free_slots_.begin(), client->slot);
    if (used > 0) keep_arena(*client);
    clients_.erase(id);
    pressure_.queued(id, 0);
    space_.client_gone(id);
    if (standby_owners_.has_standby(id)) add_user(owner::standby_of(id), id);
    drop_user(id);
    round_call_.client_gone(id);
    standby_owners_.open(id, status);
    std::erase_if(rings_, [&](const auto& pair) { return pair.first == id || pair.second == id; });
  }
  if (greeted) {
    scheduler_.client_left(id, status, now());
    client_ended(id, status);
  } else {
    scheduler_.worker_failed(id, status, now());
  }
  schedule_tick();
}

// NODE-2: what it sent before it died counts.
void Daemon::read_last(Client& client) {
  while (!client.closed && !stopping_) {
    auto packet = client.socket.try_receive();
    if (!packet) break;
    auto message = net::decode_client_message(packet->bytes);
    if (message) handle(client, std::move(*message));
  }
}

// Its objects may be others' by now. Each that hears of the death says when it knows of none.
void Daemon::keep_arena(Client& client) {
  DeadArena dead{std::move(client.arena_for_readers), users_of_arenas()};
  for (const auto& node : nodes_) {  // each other node stands for its clients
    if (node.node != self_) dead.users.insert(client_of(node.node, 0));
  }
  arenas_of_the_dead_[client.id] = std::move(dead);
}

void Daemon::reap() {
  for (;;) {
    siginfo_t info = {};
    // Looks before it takes the status: while the zombie is there its process group cannot be another one's.
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    const pid_t pid = info.si_pid;
    ::kill(-pid, SIGKILL);
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (crash_stacks_.child_ended(pid) || spawner_->child_ended(pid) || stopping_) continue;
    const auto it = by_process_.find(pid);
    if (it != by_process_.end()) {
      worker_ended(ClientId(it->second), status);
    } else if (std::any_of(clients_.begin(), clients_.end(), [](const auto& c) { return !c.second->greeted; })) {
      ended_early_[pid] = describe_exit(status);
    }
  }
}

void Daemon::end_with(pid_t process) {
#ifdef SYS_pidfd_open
  const int fd = process > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, process, 0)) : -1;
  if (fd < 0 && process > 0 && errno == ESRCH) return stop();  // it is gone already
  if (fd < 0) return;
  watched_.emplace_back(io_, fd).async_wait(boost::asio::posix::stream_descriptor::wait_read,
                                            [this](boost::system::error_code error) {
                                              if (!error) stop();
                                            });
#endif
}

void Daemon::stop() {
  if (stopping_) return;
  stopping_ = true;
  io_.stop();
}

void Daemon::run() {
  const std::function<void()> watch_children = [&] {
    child_signals_.async_wait([&](boost::system::error_code error, int) {
      if (error) return;
      reap();
      if (!stopping_) watch_children();
    });
  };
  watch_children();
  memory_kills_ = Container().memory_kills();
  watch_memory();
  schedule_tick();
  io_.run();
  log::info("node ", self_, " ends");
  if (cluster_) cluster_->leave(cluster_->is_head() ? "the job is over" : "its program was ended");
  end_children();
}

namespace {

// answer: the driver's socket, while the driver waits for the first message; it then says so.
[[noreturn]] void cannot_go_on(Fd answer, const Error& error) {
  bool told = false;
  if (answer) {
    net::ControlSocket driver(std::move(answer));
    told = driver
               .send(net::encode(
                   net::NodeMessage(net::CannotStart{static_cast<std::uint8_t>(error.code()), error.what()})))
               .has_value();
  }
  if (!told) log::error("the node process cannot go on: ", error.what());
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
    ::_exit(daemon.exit_status());
  } catch (const Error& error) {
    cannot_go_on(std::move(answer), error);
  } catch (const std::exception& error) {
    cannot_go_on(std::move(answer), Error(ErrorCode::exhausted, error.what()));
  }
}

}  // namespace manta::node
