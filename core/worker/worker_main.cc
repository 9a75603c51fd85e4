// A worker process, from its control socket to its end.
#include <fcntl.h>
#include <signal.h>
#include <stdio_ext.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <system_error>

#include <manta/detail/threads.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/worker/executor.h"

namespace manta::worker {

using client::Client;

namespace {

// To the node, which says it to what waits for a worker.
void say_why_not(Fd control, const std::string& why) {
  net::ControlSocket node(std::move(control));
  (void)node.send(net::encode(net::ClientMessage(net::CannotStart{why})));  // else the node sees the end alone
}

}  // namespace

void worker_main(Fd control) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "manta-worker");
  log::name_process("worker");
  Fd spare(::fcntl(control.get(), F_DUPFD_CLOEXEC, 0));
  try {
    ::__fpurge(stdout);  // what the driver had not written when it forked is the driver's
    ::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    static Executor executor;
    detail::set_library_threads(1);
    static const std::unique_ptr<Client> client = Client::connect(net::ControlSocket(std::move(control)), &executor);
    spare.reset();
    detail::set_up_worker(client->self().value);
    executor.run(*client);
  } catch (const std::exception& error) {
    const auto* system = dynamic_cast<const std::system_error*>(&error);
    const std::string why = error.what() + (system != nullptr ? limit_advice(system->code().value()) : "");
    if (!spare) log::error("a worker process ends: ", why);
    if (spare) say_why_not(std::move(spare), why);
  }
  ::_exit(1);
}

}  // namespace manta::worker
