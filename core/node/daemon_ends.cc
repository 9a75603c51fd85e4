// How a worker's process ended, in words: its status or signal, and where they are known, the reason and the stack.
#include <signal.h>
#include <sys/wait.h>

#include "core/base/log.h"
#include "core/node/container.h"
#include "core/node/daemon.h"
#include "core/node/daemon_client.h"

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

void Daemon::worker_ended(ClientId id, int wait_status) {
  std::string status = describe_exit(wait_status);
  Client* client = find(id);
  const int signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
  if (client == nullptr || signal == 0) return client_gone(id, status);
  if (signal == SIGKILL && !client->killed) {
    const std::uint64_t kills = Container().memory_kills();
    if (kills > memory_kills_) status += memory_ran_out();
    if (kills > memory_kills_) ++memory_kills_;
  }
  net::CrashRecord& record = page_->crashes[client->slot];
  const bool recorded = leaves_a_stack(signal) && record.complete.load(std::memory_order_acquire) &&
                        record.signal == signal && record.process == client->process;
  if (recorded && record.stack_overflow) status += ": its stack has overflown";
  if (signal == SIGABRT && outputs_) {
    const std::string line = outputs_->last_error_line(id);
    if (!line.empty()) status += " after it had printed \"" + line + "\"";
  }
  if (!recorded) return client_gone(id, status);
  // Its end is announced together with the stack. Until then its process id may be given to another process.
  log::info("worker process ", client->process, " ", status);
  net::CrashStack stack = net::CrashStack::of(record);
  record.complete = false;
  read_last(*client);
  by_process_.erase(client->process);
  client->process = 0;
  client->ended = true;
  client->closed = true;
  client->events.cancel();
  crash_stacks_.resolve(std::move(stack), signal == SIGABRT,
                        [this, id, status](const std::string& stack_text) { client_gone(id, status + stack_text); });
}

}  // namespace manta::node
