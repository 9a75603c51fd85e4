#include "core/node/workers.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <utility>

#include <boost/asio/post.hpp>

#include "core/base/log.h"
#include "core/node/container.h"
#include "core/sched/resources.h"

namespace manta::node {

namespace {

bool leaves_a_stack(int signal) {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL || signal == SIGABRT;
}

std::string memory_ran_out() {
  const auto limit = Container().memory_limit();
  return ": the kernel killed it because memory ran out" +
         (limit ? " (this container's limit is " + sched::bytes_to_string(*limit) + ")" : std::string()) +
         "; use less at a time, or let TaskOptions::memory_bytes book it";
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

Workers::Workers(boost::asio::io_context& io, std::unique_ptr<Spawner> spawner, std::vector<std::string> gpu_names,
                 Connections& connections, Outputs* outputs, WorkerEvents& events)
    : io_(io),
      spawner_(std::move(spawner)),
      gpu_names_(std::move(gpu_names)),
      connections_(connections),
      outputs_(outputs),
      events_(events),
      crash_stacks_(io),
      memory_kills_(Container().memory_kills()) {}

// --- their start

void Workers::start(ClientId worker, const std::vector<sched::GpuShare>& gpus, const std::string& env) {
  // Answers come as events of their own, since the scheduler calls this. The end of the socket may come before them.
  const auto failed = [this, worker](const Error& error) {
    const std::string status = std::string("could not be started: ") + error.what();
    if (Connection* connection = connections_.find(worker)) connection->start_error = status;
    gone_later(worker, status);
  };
  auto pair = net::ControlSocket::pair();
  if (!pair) return failed(pair.error());
  auto connection = connections_.add(worker, std::move(pair->first));
  if (!connection) return failed(connection.error());
  WorkerStart start;
  start.node_process = ::getpid();
  start.env = env;
  for (const sched::GpuShare& gpu : gpus) {
    const bool named = gpu.index < gpu_names_.size();
    start.cuda_visible_devices += (start.cuda_visible_devices.empty() ? "" : ",");
    start.cuda_visible_devices += named ? gpu_names_[gpu.index] : std::to_string(gpu.index);
  }
  (*connection)->gpus = gpus;
  (*connection)->env = env;
  connections_.welcome(**connection, events_.welcome());
  (*connection)->zygotes = spawner_->zygotes();
  const std::array<Fd, 2> output = outputs_ != nullptr ? outputs_->open(worker) : std::array<Fd, 2>();
  auto spawned = spawner_->spawn(start, pair->second, output);
  if (!spawned) return failed(spawned.error());
  if (outputs_ != nullptr) outputs_->started(worker, *spawned);
}

// For a worker that ended before its Hello: asks the next zygote for it, if the one that was asked is dead.
bool Workers::start_again(Connection& worker) {
  if (worker.zygotes == spawner_->zygotes()) return false;
  const ClientId id = worker.id;
  const std::vector<sched::GpuShare> gpus = worker.gpus;
  const std::string env = worker.env;
  connections_.remove(worker);
  start(id, gpus, env);
  return true;
}

void Workers::greeted(Connection& worker, pid_t process) {
  if (outputs_ != nullptr) outputs_->started(worker.id, process);
  if (const auto early = ended_early_.extract(process); !early.empty()) return gone(worker.id, early.mapped());
  by_process_[process] = worker.id;
  log::debug("worker process ", process, " is ready");
  events_.ready(worker.id);
}

// --- their end

void Workers::kill(ClientId worker) {
  Connection* connection = connections_.find(worker);
  if (connection == nullptr || connection->ended) return;
  if (connection->process > 0) {
    connection->killed = true;
    ::kill(connection->process, SIGKILL);
  } else {
    connection->closed = true;  // it ends when it greets
    gone_later(worker, "ended before it was ready");
  }
}

void Workers::end_for_memory(ClientId worker, const std::string& status) {
  ended_for_memory_[worker] = status;
  kill(worker);
}

void Workers::closed(Connection& worker) {
  if (worker.process > 0) {
    ::kill(worker.process, SIGKILL);
    reap();
  } else if (!start_again(worker)) {
    gone(worker.id, worker.start_error.empty() ? "ended before it was ready" : std::string(worker.start_error));
  }
}

void Workers::reap() {
  loop_thread_.assert_current();
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
      process_ended(ClientId(it->second), status);
    } else if (connections_.any_starting()) {
      ended_early_[pid] = describe_exit(status);
    }
  }
}

void Workers::process_ended(ClientId worker, int wait_status) {
  std::string status = describe_exit(wait_status);
  Connection* connection = connections_.find(worker);
  const int signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
  if (connection == nullptr || signal == 0) return gone(worker, status);
  if (signal == SIGKILL && !connection->killed) {
    const std::uint64_t kills = Container().memory_kills();
    if (kills > memory_kills_) status += memory_ran_out();
    if (kills > memory_kills_) ++memory_kills_;
  }
  net::CrashRecord& record = connections_.page().crashes[connection->slot];
  const bool recorded = leaves_a_stack(signal) && record.complete.load(std::memory_order_acquire) &&
                        record.signal == signal && record.process == connection->process;
  if (recorded && record.stack_overflow) status += ": its stack has overflown";
  if (signal == SIGABRT && outputs_ != nullptr) {
    const std::string line = outputs_->last_error_line(worker);
    if (!line.empty()) status += " after it had printed \"" + line + "\"";
  }
  if (!recorded) return gone(worker, status);
  // Its end is announced together with the stack. Until then its process id may be given to another process.
  log::info("worker process ", connection->process, " ", status);
  net::CrashStack stack = net::CrashStack::of(record);
  record.complete = false;
  connections_.read_last(*connection);
  by_process_.erase(connection->process);
  connection->process = 0;
  connection->ended = true;
  Connections::stop_reading(*connection);
  crash_stacks_.resolve(std::move(stack), signal == SIGABRT,
                        [this, worker, status](const std::string& stack_text) { gone(worker, status + stack_text); });
}

void Workers::gone_later(ClientId worker, const std::string& how) {
  boost::asio::post(io_, [this, worker, how] { gone(worker, how); });
}

void Workers::gone(ClientId worker, const std::string& how) {
  loop_thread_.assert_current();
  const auto for_memory = ended_for_memory_.extract(worker);
  std::string status = for_memory.empty() ? how : for_memory.mapped();
  Connection* connection = connections_.find(worker);
  if (connection != nullptr) {
    connections_.read_last(*connection);
    if (!connection->start_error.empty()) status = connection->start_error;
    if (!connection->ended) log::info("worker process ", connection->process, " ", status);
    if (connection->process > 0) by_process_.erase(connection->process);
    if (outputs_ != nullptr) outputs_->worker_gone(worker);
  }
  events_.gone(worker, connection, status);
}

}  // namespace manta::node
