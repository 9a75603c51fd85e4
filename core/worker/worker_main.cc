// A worker process, from its control socket to its end, and the ends of its threads.
#include <cxxabi.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio_ext.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <system_error>

#include <manta/detail/threads.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/settings/log_level.h"
#include "core/worker/crash_handler.h"
#include "core/worker/executor.h"

namespace manta::worker {

MANTA_CATCHES_FORCED_UNWIND void Executor::run_thread() {
  use_alternate_stack();
  try {
    loop();
  } catch (abi::__forced_unwind&) {  // not in a task, whose error says so: in a coroutine that went on, or a destructor
    log::error("user code called pthread_exit in a thread of a worker: the process ends");
  }
  ::_exit(1);
}

namespace {

// To the node, which says it to what waits for a worker.
void say_why_not(Fd control, const std::string& why) {
  net::ControlSocket node(std::move(control));
  (void)node.send(net::encode(net::ClientMessage(net::WorkerCannotStart{why})));  // else the node sees the end alone
}

}  // namespace

// std::exit in a task destroys static objects while other threads of the worker go on: what they use is never
// destroyed, and the connection lasts until the process has its exit status.
void worker_main(Fd control) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "manta-worker");
  log::name_process("worker");
  settings::read_log_level_or_warn();
  Fd spare(::fcntl(control.get(), F_DUPFD_CLOEXEC, 0));
  try {
    ::__fpurge(stdout);  // what the driver had not written when it forked is the driver's
    ::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    static Executor& executor = *new Executor;
    detail::set_library_threads(1);
    static client::Client& client =
        *client::Client::connect(net::ControlSocket(std::move(control)), executor).release();
    spare.reset();
    detail::set_up_worker(client.self().value);
    install_crash_handler(client.page().crashes[client.welcome().slot]);
    executor.run();
  } catch (const std::exception& error) {
    const auto* system = dynamic_cast<const std::system_error*>(&error);
    const std::string why = error.what() + (system != nullptr ? limit_advice(system->code().value()) : "");
    if (!spare) log::error("a worker process ends: ", why);
    if (spare) say_why_not(std::move(spare), why);
  }
  ::_exit(1);
}

}  // namespace manta::worker
